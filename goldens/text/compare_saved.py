"""Loads a tokenizer folder that trimtab wrote from SmolLM2's GGUF in transformers, and compares all ids.

    TRIMTAB_KEEP_TOKENIZER=FOLDER cargo test -p trimtab-text --test smollm2
    python compare_saved.py FOLDER
"""

import json
import pathlib
import sys

from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent


def main():
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    strings = json.loads((HERE / "strings.json").read_text())["strings"]
    chats = json.loads((HERE / "chats.json").read_text())
    golden = json.loads((HERE / "smollm2.json").read_text())
    for text, expected in zip(strings, golden["ids"]):
        assert tokenizer.encode(text) == expected, text
        assert tokenizer.decode(expected) == text, text
    for title, messages in chats["chats"].items():
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        assert text == chats["rendered"]["smollm2"][title]["whole"], title
        ids = tokenizer.apply_chat_template(messages, tokenize=True)
        ids = ids if isinstance(ids, list) else ids["input_ids"]
        assert list(ids) == golden["chats"][title], title
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    print(f"{type(tokenizer).__name__}: {len(strings)} strings and {len(chats['chats'])} conversations agree")


if __name__ == "__main__":
    main()
