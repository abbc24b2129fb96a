"""Writes a GGUF file with a very small Llama of random weights, so that a server can be tried without a download.

    python tiny_model.py tiny.gguf WORDS...

Its vocabulary is the words of the files named after it, letters, and bytes. What it says is noise: it shows that a
server and evalkit understand each other, nothing else. Needs the packages ``gguf`` and ``numpy``.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 2048
WORDS = 1500
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def vocabulary(paths: list[str]) -> list[tuple[str, float, TokenType]]:
    """Return the tokens: special ones, bytes, letters, and each word with the beginnings it is merged from."""
    text = " ".join(Path(path).read_text(encoding="utf-8") for path in paths)
    counted = Counter(re.findall(r"[A-Za-z]+|[0-9]+", text))
    pieces = {"▁": None, **{chr(code): None for code in range(33, 127)}}
    for word, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:WORDS]:
        pieces |= {"▁" + word[:end]: None for end in range(1, len(word) + 1)}
    special = [("<unk>", 0.0, TokenType.UNKNOWN), ("<s>", 0.0, TokenType.CONTROL), ("</s>", 0.0, TokenType.CONTROL)]
    raw = [(f"<0x{code:02X}>", 0.0, TokenType.BYTE) for code in range(256)]
    return special + raw + [(piece, float(len(piece)), TokenType.NORMAL) for piece in pieces]


def tensors(size: int) -> dict[str, np.ndarray]:
    """Return the weights by name."""
    random = np.random.default_rng(20261123)

    def matrix(rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * scale / columns**0.5).astype(np.float32)

    output = matrix(size, WIDTH, 1.5)
    output[2] *= 3.5  # the end of the answer: likely now and then
    output[:2] = output[3:259] = 0.0  # special tokens and bytes: unlikely
    made = {"token_embd.weight": matrix(size, WIDTH, 8.0), "output.weight": output}
    made["output_norm.weight"] = np.ones(WIDTH, dtype=np.float32)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            made[f"blk.{layer}.{name}.weight"] = matrix(WIDTH, WIDTH)
        made[f"blk.{layer}.ffn_gate.weight"] = matrix(INNER, WIDTH)
        made[f"blk.{layer}.ffn_up.weight"] = matrix(INNER, WIDTH)
        made[f"blk.{layer}.ffn_down.weight"] = matrix(WIDTH, INNER)
        for name in ("attn_norm", "ffn_norm"):
            made[f"blk.{layer}.{name}.weight"] = np.ones(WIDTH, dtype=np.float32)
    return made


def write(path: str, texts: list[str]) -> None:
    """Write the model to ``path``."""
    tokens = vocabulary(texts)
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token for token, _, _ in tokens])
    writer.add_token_scores([score for _, score, _ in tokens])
    writer.add_token_types([kind for _, _, kind in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)
    for name, weights in tensors(len(tokens)).items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2:])
