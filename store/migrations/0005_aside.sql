-- Views of samples that are not for training: the worse ones of pairs, and those of chunks that no version has any more.
SELECT 1;
