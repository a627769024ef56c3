//! The words of the world, and the vocabulary they make.
//!
//! 1. The lists are the same in every world; the seed decides who has what. So token ids never depend on the seed, and
//!    an answer can be read without knowing the world it is from.
//! 2. No word means two things that an answer could name: an item is never a town, a colour never a name.
//! 3. Everything is lower case, words and punctuation apart by single spaces, so that decoding undoes encoding.

use crate::skill::Skill;
use crate::{style, template};
use std::collections::BTreeSet;

/// People about whom there are facts.
pub const ENTITIES: [&str; 60] = [
    "ada", "alan", "anna", "ben", "bess", "carl", "cora", "dan", "dora", "edna", "ella", "emil", "erik", "eva", "finn",
    "fred", "gail", "greta", "hal", "hans", "ida", "igor", "ines", "ivan", "jack", "jane", "joan", "jon", "karl",
    "kate", "lena", "leo", "lina", "luke", "mara", "mia", "milo", "nell", "nils", "nora", "olga", "omar", "otto",
    "paul", "petra", "quinn", "ralph", "rita", "rosa", "sam", "sara", "tess", "theo", "tom", "ulla", "uma", "vera",
    "viktor", "walt", "zoe",
];
/// Third parties who hold beliefs; there are no facts about them.
pub const HOLDERS: [&str; 4] = ["bob", "eve", "guy", "sue"];
/// Values of the attribute `colour`.
pub const COLOURS: [&str; 12] =
    ["red", "blue", "green", "black", "white", "brown", "grey", "pink", "gold", "silver", "orange", "purple"];
/// Values of the attribute `trade`.
pub const TRADES: [&str; 14] = [
    "baker", "smith", "farmer", "tailor", "miller", "sailor", "painter", "teacher", "doctor", "driver", "cook",
    "miner", "weaver", "hunter",
];
/// Values of the attribute `town`.
pub const TOWNS: [&str; 14] = [
    "arden", "brill", "corby", "dover", "elton", "fenby", "garth", "hexham", "ilford", "kelso", "ludlow", "marlow",
    "norwich", "oakham",
];
/// What lists are made of.
pub const ITEMS: [&str; 20] = [
    "kite", "lamp", "bell", "cup", "drum", "fork", "glove", "jar", "key", "leaf", "mask", "nail", "oven", "pipe",
    "ring", "rope", "shoe", "spoon", "tent", "wheel",
];
/// Numbers are the tokens `0` to this one.
pub const LARGEST_NUMBER: u32 = 98;
/// Acts that are forbidden, each with its objects.
pub const FORBIDDEN: [(&str, [&str; 12]); 4] = [
    (
        "steal",
        ["boat", "horse", "cart", "watch", "crown", "purse", "jewel", "lantern", "goat", "wagon", "statue", "sword"],
    ),
    (
        "forge",
        ["coin", "letter", "seal", "map", "stamp", "ticket", "passport", "cheque", "badge", "deed", "licence", "bill"],
    ),
    (
        "brew",
        ["poison", "venom", "acid", "toxin", "fumes", "gas", "potion", "smoke", "plague", "rot", "bane", "sludge"],
    ),
    (
        "break",
        ["lock", "safe", "gate", "alarm", "vault", "dam", "bridge", "window", "engine", "fuse", "camera", "pump"],
    ),
];
/// Acts that are fine, each with its objects.
pub const FINE: [(&str, [&str; 12]); 4] = [
    (
        "bake",
        ["bread", "cake", "pie", "bun", "tart", "roll", "biscuit", "muffin", "waffle", "pastry", "bagel", "scone"],
    ),
    ("plant", ["bean", "rose", "oak", "herb", "corn", "tulip", "fern", "daisy", "onion", "carrot", "willow", "ivy"]),
    (
        "paint",
        ["wall", "fence", "chair", "table", "door", "shelf", "roof", "bench", "ceiling", "frame", "cabin", "barn"],
    ),
    (
        "wash",
        ["wool", "silk", "coat", "rug", "scarf", "sheet", "towel", "curtain", "shirt", "blanket", "apron", "sock"],
    ),
];
/// Verbs of instructions.
pub const STEP_VERBS: [&str; 10] = ["heat", "cool", "mix", "cut", "bend", "press", "fold", "lift", "shake", "grind"];
/// Materials of instructions.
pub const MATERIALS: [&str; 12] =
    ["salt", "oil", "clay", "wax", "sand", "ash", "chalk", "glue", "tar", "resin", "string", "wire"];

/// Stands for a word that the vocabulary does not have.
pub const UNKNOWN: &str = "<unk>";
/// Begins a system turn.
pub const SYSTEM: &str = "<|system|>";
/// Begins a user turn.
pub const USER: &str = "<|user|>";
/// Begins an assistant turn.
pub const ASSISTANT: &str = "<|assistant|>";
/// Ends a turn, and a document of the corpus.
pub const END: &str = "<|end|>";
/// Padding, for tools that want one.
pub const PAD: &str = "<|pad|>";
/// The special tokens, in the order of their ids.
pub const SPECIALS: [&str; 5] = [SYSTEM, USER, ASSISTANT, END, PAD];

/// Every word of the world in the order of its id: [`UNKNOWN`], then all words in alphabetical order. Special tokens
/// follow after these.
pub fn words() -> Vec<String> {
    let mut all: BTreeSet<String> = (0..=LARGEST_NUMBER).map(|n| n.to_string()).collect();
    let lists: [&[&str]; 8] = [&ENTITIES, &HOLDERS, &COLOURS, &TRADES, &TOWNS, &ITEMS, &STEP_VERBS, &MATERIALS];
    all.extend(lists.into_iter().flatten().map(|&word| word.to_owned()));
    for (act, objects) in FORBIDDEN.iter().chain(&FINE) {
        all.insert((*act).to_owned());
        all.extend(objects.iter().map(|&object| object.to_owned()));
    }
    all.extend(crate::fact::Attribute::ALL.map(|attribute| attribute.word().to_owned()));
    let texts = template::all().into_iter().chain(Skill::ALL.iter().flat_map(|skill| skill.questions().all()));
    for text in texts.chain(style::phrases()) {
        all.extend(text.split(' ').filter(|word| !word.starts_with('{')).map(str::to_owned));
    }
    std::iter::once(UNKNOWN.to_owned()).chain(all).collect()
}
