from ._minhash import MinHashIndex
__all__=["MinHashIndex"]
