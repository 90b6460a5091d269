"""Which operators read embedding entries, and what tells what they read."""

from recnmp.errors import RecnmpError
from recnmp.trace import fused, operators, quantized
from recnmp.trace.operators import Reader

# their names say embedding, but they look nothing up: gradients, norms, losses, changes of format and order
_NO_LOOKUP = {
    "aten::embedding_renorm",
    "aten::embedding_renorm_",
    "aten::_no_grad_embedding_renorm_",
    "aten::hinge_embedding_loss",
    "aten::cosine_embedding_loss",
    "fbgemm::embedding_bag_rowwise_prune",
    "fbgemm::merge_pooled_embeddings",
    "fbgemm::permute_multi_embedding",
    "fbgemm::permute_multi_embedding_function",
    "fbgemm::permute_sequence_embeddings",
    "fbgemm::reorder_batched_sequence_embeddings",
    "fbgemm::transpose_embedding_input",
}
_NO_LOOKUP_PARTS = ("_backward", "_grad_", "_prepack", "_unpack")


def reader_of(name: str, arguments: set[str]) -> Reader | None:
    """Return what reads calls of operator ``name`` (``aten::embedding``), or None if it looks nothing up.

    ``arguments`` are the names of its arguments. Raises RecnmpError for an operator that looks like an
    embedding lookup and is not known: a trace without its lookups would be wrong, and nobody would see it.
    """
    if name in operators.READERS:
        return operators.READERS[name]
    if "embedding" not in name or name in _NO_LOOKUP or any(part in name for part in _NO_LOOKUP_PARTS):
        return None
    reader = quantized.READERS.get(name) or fused.reader_of(name, arguments)
    if reader is None:
        raise RecnmpError(
            f"the model calls {name}, an embedding operator unknown to capture: its lookups would be missing"
        )
    return reader
