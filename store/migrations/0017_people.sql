-- Verdicts of people (judge human:NAME) count more than others: the views of accepted samples are made anew.
COMMENT ON COLUMN verdicts.judge IS 'name@version of a verifier, name@hash of a judge, name/model@hash of one member of a panel, recorded@set of imported labels, human:NAME of a person.';
COMMENT ON COLUMN samples.parser IS 'Generator and its version, for samples made by the steps of generate; human@1 of a completion that a person edited (step people); NULL for draws of problems.';
