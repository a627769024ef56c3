"""Logits and greedy tokens of SmolLM2-135M-Instruct, from transformers, on the dequantised weights of a GGUF file.

    python goldens/engine/smollm2_logits.py PATH/SmolLM2-135M-Instruct.Q4_1.gguf

Writes smollm2/texts.json and smollm2/logits.safetensors.

texts.json
    texts   20 records {name, text, tokens}, with `messages` where the text is a rendered conversation: the tokens are
            `text` encoded with special tokens recognised and nothing added (the file says add_bos_token = false).
    greedy  20 records {name, prompt, prompt_tokens, tokens, gaps}: 64 tokens, each the argmax, past any end-of-turn
            token; gaps[i] is the best logit minus the second at that step, so that a near-tie can be recognised.
logits.safetensors, all texts one after the other, row i of text t at offsets[t] + i
    offsets i64 [21] · tokens i32 [n] · argmax i32 [n] · logsumexp f32 [n]
    top_ids i32 [n, 16] and top_logits f32 [n, 16], best first
    fixed_ids i32 [64] and fixed_logits f32 [n, 64]: the same 64 vocabulary ids at every position

How the weights are read: `gguf` dequantises to f32; rows of q and k are put back from the interleaved order that
GGUF's llama files use to the half-split order of the published checkpoint; the model runs in f32 with eager attention.
"""

import pathlib
from importlib.metadata import version

import gguf
import numpy as np
import torch
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from common import arguments, header, write_json, write_tensors

TOP, FIXED, NEW = 16, 64, 64

TEXTS = [
    ("prose_harbour", "The harbour was quiet at dawn. Two fishermen were mending a net on the quay, and a grey cat watched them from the roof of the customs house as if it had been hired to."),
    ("prose_letter", "Dear Anna,\n\nThank you for the plums. We ate half of them on the train, and the other half became jam, which I hope to bring you in October if the roads are dry.\n\nYours,\nTomas"),
    ("prose_science", "Water expands when it freezes because its molecules settle into an open hexagonal lattice; that is why ice floats and why lakes freeze from the top."),
    ("code_python", "def running_mean(values):\n    total = 0.0\n    for count, value in enumerate(values, start=1):\n        total += value\n        yield total / count\n\nprint(list(running_mean([2, 4, 9])))\n"),
    ("code_rust", "fn gcd(mut a: u64, mut b: u64) -> u64 {\n    while b != 0 {\n        (a, b) = (b, a % b);\n    }\n    a\n}\n\n#[test]\nfn divides() {\n    assert_eq!(gcd(84, 36), 12);\n}\n"),
    ("code_sql", "SELECT city, COUNT(*) AS n\nFROM stations\nWHERE opened >= '1998-01-01' AND height_m < 250.5\nGROUP BY city\nHAVING COUNT(*) > 3\nORDER BY n DESC;"),
    ("json", '{"id": 7, "tags": ["red", "blue"], "nested": {"ok": true, "ratio": -0.125, "none": null}}'),
    ("numbers", "In 1969 it cost 24,000,000,000; by 2021 that was 3.14159e+11. Sum: 17 + 25 = 42, 42 * 3 = 126, 126 / 9 = 14. Call +44 20 7946 0018."),
    ("unicode", "Façade, naïve, Ærø, Łódź, Ελλάδα, Москва, 東京, 서울, القاهرة, हिन्दी. Cost: 5 € or ½ £; x² + y² ≤ r²."),
    ("emoji", "Rain 🌧️ then sun 🌞, a family 👨‍👩‍👧‍👦 and a flag 🇳🇴! ¿Qué tal? «Bien», dit-elle… ‘so’ “said” they — all of them."),
    ("whitespace", "  two leading spaces,\ttabs\t\there,   three   between,\n\n\n blank lines above, trailing ones below:   \n\n"),
    ("contractions", "I've said it's what they'd do, we'll see; don't shout: I'M NOT, THEY'RE, and rock 'n' roll isn't o'clock."),
    ("shouting", "WARNING!!! DO NOT open the Valve (B-12) BEFORE 10:45 pm... unless p > 3.5 bar?! See page #9 @ www.example.org/manual_v2.pdf"),
    ("question", "Q: Which planet has the shortest day?\nA: Jupiter, with about ten hours.\nQ: And the longest?\nA:"),
    ("list", "Packing list:\n1. Tent\n2. Sleeping bag\n3. Stove and matches\n4. Map (1:25000)\n5. Two litres of water\n6."),
    ("repeats", "tick tock tick tock tick tock tick tock tick tock tick tock tick tock tick tock tick tock tick"),
]

CHATS = [
    ("chat_one_turn", [{"role": "user", "content": "What is the capital of Portugal?"}], True),
    ("chat_two_turns", [
        {"role": "user", "content": "Give me a word that rhymes with stone."},
        {"role": "assistant", "content": "Bone."},
        {"role": "user", "content": "And one that rhymes with both, but is a colour's shade?"},
        {"role": "assistant", "content": "Hmm, perhaps \"tone\"?"},
    ], False),
    ("chat_system", [
        {"role": "system", "content": "You answer in exactly three words."},
        {"role": "user", "content": "How was the sea today?"},
        {"role": "assistant", "content": "Calm and cold."},
        {"role": "user", "content": "And the sky?"},
    ], True),
    ("chat_code", [
        {"role": "user", "content": "Write a Python function that returns the square of n.\n"},
        {"role": "assistant", "content": "```python\ndef square(n):\n    return n * n\n```"},
    ], False),
]

PROMPTS = [
    ("once", "Once upon a time there was a clockmaker who"),
    ("gravity", "Gravity is the force that"),
    ("capital", "The capital of France is"),
    ("recipe", "To make a simple vegetable soup, first"),
    ("list_planets", "The planets of the solar system are Mercury, Venus,"),
    ("count", "1, 2, 3, 4, 5, 6, 7,"),
    ("python", "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n"),
    ("rust", "fn main() {\n    let numbers = vec![3, 1, 2];\n"),
    ("markdown", "# Bicycle repair\n\n## Flat tyre\n\n"),
    ("dialogue", "\"Where have you been?\" she asked.\n\"In the garden,\" he said,"),
    ("history", "The printing press was invented in the"),
    ("french", "Le matin, je bois un café et"),
    ("one_token", "The"),
    ("weather", "Tomorrow's weather: in the north, rain and"),
]

PROMPT_CHATS = [
    ("ask_sky", [{"role": "user", "content": "Why is the sky blue?"}]),
    ("ask_sum", [{"role": "user", "content": "What is 12 plus 30?"}]),
    ("ask_poem", [{"role": "user", "content": "Write two lines about a lighthouse."}]),
    ("ask_list", [{"role": "user", "content": "Name three fruits."}]),
    ("ask_again", [
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello! How can I help you today?"},
        {"role": "user", "content": "Tell me something about whales."},
    ]),
    ("ask_system", [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "Who are you?"},
    ]),
]


def field(reader, key, default=None):
    found = reader.get_field(key)
    return default if found is None else found.contents()


def tokenizer_of(reader):
    """Byte-level BPE from the file's tables; `pre` = smollm cuts every digit off before GPT-2's pattern."""
    assert field(reader, "tokenizer.ggml.model") == "gpt2" and field(reader, "tokenizer.ggml.pre") == "smollm"
    tokens = field(reader, "tokenizer.ggml.tokens")
    kinds = field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in field(reader, "tokenizer.ggml.merges")]
    assert all(len(merge) == 2 for merge in merges)
    tokenizer = Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds) if kind == gguf.TokenType.CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    assert tokenizer.get_vocab_size() == len(tokens), "a special token was added under a new id"
    return tokenizer


def half_split(weight, heads):
    """Rows of each head from (x0, y0, x1, y1, …) back to (x0, x1, …, y0, y1, …)."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def model_of(reader):
    heads, kv_heads = field(reader, "llama.attention.head_count"), field(reader, "llama.attention.head_count_kv")
    config = LlamaConfig(
        vocab_size=field(reader, "llama.vocab_size"),
        hidden_size=field(reader, "llama.embedding_length"),
        intermediate_size=field(reader, "llama.feed_forward_length"),
        num_hidden_layers=field(reader, "llama.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=field(reader, "llama.context_length"),
        rms_norm_eps=field(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": float(field(reader, "llama.rope.freq_base"))},
        tie_word_embeddings=True,
    )
    assert field(reader, "llama.rope.dimension_count") == config.hidden_size // heads
    blocks = {
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }
    state = {}
    for tensor in reader.tensors:
        value = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name = tensor.name.removesuffix(".weight")
        if name == "token_embd":
            name = "model.embed_tokens"
        elif name == "output_norm":
            name = "model.norm"
        else:
            _, layer, part = name.split(".")
            if part in ("attn_q", "attn_k"):
                value = half_split(value, heads if part == "attn_q" else kv_heads)
            name = f"model.layers.{layer}.{blocks[part]}"
        state[name + ".weight"] = torch.from_numpy(value.copy())
    model = LlamaForCausalLM._from_config(config, attn_implementation="eager", dtype=torch.float32)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert missing in ([], ["lm_head.weight"]) and not unexpected, (missing, unexpected)
    model.tie_weights()
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    return model.eval()


@torch.no_grad()
def greedy(model, prompt):
    """The argmax 64 times, with a cache, and how far ahead of the second each was."""
    cache, tokens, gaps, feed = DynamicCache(), [], [], prompt
    for _ in range(NEW):
        logits = model(torch.tensor([feed]), past_key_values=cache, use_cache=True).logits[0, -1]
        best = logits.topk(2).values
        tokens.append(int(logits.argmax()))
        gaps.append(round(float(best[0] - best[1]), 5))
        feed = tokens[-1:]
    return tokens, gaps


def main():
    args = arguments("SmolLM2 logits and greedy tokens", lambda p: p.add_argument("gguf", type=pathlib.Path))
    reader = gguf.GGUFReader(args.gguf)
    tokenizer, model = tokenizer_of(reader), model_of(reader)
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(
        field(reader, "tokenizer.chat_template")
    )

    def encode(text):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text, text
        return ids

    texts = [{"name": name, "text": text, "tokens": encode(text)} for name, text in TEXTS]
    for name, messages, prompt in CHATS:
        text = template.render(messages=messages, add_generation_prompt=prompt)
        texts.append({
            "name": name, "text": text, "messages": messages, "add_generation_prompt": prompt, "tokens": encode(text),
        })
    prompts = [{"name": name, "prompt": text} for name, text in PROMPTS]
    for name, messages in PROMPT_CHATS:
        prompts.append({
            "name": name, "prompt": template.render(messages=messages, add_generation_prompt=True), "messages": messages,
        })
    assert len(texts) == 20 and len(prompts) == 20

    # 64 distinct ids from one multiplicative sequence, spread over the vocabulary.
    fixed = sorted({(i * 2654435761) % 2**32 % model.config.vocab_size for i in range(1, FIXED + 1)})
    assert len(fixed) == FIXED
    rows = {"argmax": [], "logsumexp": [], "top_ids": [], "top_logits": [], "fixed_logits": []}
    for text in texts:
        with torch.no_grad():
            logits = model(torch.tensor([text["tokens"]])).logits[0]
        top = logits.topk(TOP)
        rows["argmax"].append(logits.argmax(-1).int())
        rows["logsumexp"].append(logits.double().logsumexp(-1).float())
        rows["top_ids"].append(top.indices.int())
        rows["top_logits"].append(top.values)
        rows["fixed_logits"].append(logits[:, fixed])
    lengths = [len(text["tokens"]) for text in texts]
    tensors = {name: torch.cat(parts) for name, parts in rows.items()}
    tensors["offsets"] = torch.tensor([0, *lengths]).cumsum(0)
    tensors["tokens"] = torch.tensor(sum((text["tokens"] for text in texts), [])).int()
    tensors["fixed_ids"] = torch.tensor(fixed).int()

    for prompt in prompts:
        prompt["prompt_tokens"] = encode(prompt["prompt"])
        prompt["tokens"], prompt["gaps"] = greedy(model, prompt["prompt_tokens"])

    made = header(__file__, gguf=args.gguf.name, gguf_package=version("gguf"))
    write_json(args.out / "smollm2" / "texts.json", {"header": made, "texts": texts, "greedy": prompts})
    write_tensors(args.out / "smollm2" / "logits.safetensors", tensors, made)
    print(f"{sum(lengths)} positions, {len(prompts) * NEW} greedy tokens; smallest gap "
          f"{min(min(prompt['gaps']) for prompt in prompts)}")


if __name__ == "__main__":
    main()
