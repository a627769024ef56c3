//! A corpus cut into segments for next-token training.

/// A run of tokens from one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Index of the document it is from, for splits by document.
    pub document: usize,
    /// Its tokens.
    pub tokens: Vec<u32>,
}

/// Cuts each document into segments of `length` tokens; the last of a document is shorter.
///
/// Each document is taken to be encoded already, with what BOS the tokenizer adds; `eos` is put after its last token, so
/// that the model sees where texts end. Segments of fewer than two tokens predict nothing and are left out: the second
/// value counts their tokens. No segment spans two documents.
///
/// # Panics
/// If `length` is below 2: an error of the caller, not of the data.
#[must_use]
pub fn by_document(documents: &[Vec<u32>], eos: Option<u32>, length: usize) -> (Vec<Segment>, usize) {
    assert!(length >= 2, "a segment of {length} tokens predicts nothing");
    let (mut segments, mut left_out) = (Vec::new(), 0);
    for (document, tokens) in documents.iter().enumerate() {
        let ended: Vec<u32> = tokens.iter().copied().chain(eos).collect();
        for chunk in ended.chunks(length) {
            if chunk.len() < 2 {
                left_out += chunk.len();
            } else {
                segments.push(Segment { document, tokens: chunk.to_vec() });
            }
        }
    }
    (segments, left_out)
}

/// Joins all documents, each ended by `eos`, and cuts the stream into segments of exactly `length` tokens.
///
/// The second value counts the tokens of the incomplete tail, which is left out. Segments may span documents, so split
/// into training and held-out documents before.
///
/// # Panics
/// If `length` is below 2: an error of the caller, not of the data.
#[must_use]
pub fn joined(documents: &[Vec<u32>], eos: u32, length: usize) -> (Vec<Vec<u32>>, usize) {
    assert!(length >= 2, "a segment of {length} tokens predicts nothing");
    let stream: Vec<u32> =
        documents.iter().flat_map(|document| document.iter().copied().chain(std::iter::once(eos))).collect();
    let chunks = stream.chunks_exact(length);
    let tail = chunks.remainder().len();
    (chunks.map(<[u32]>::to_vec).collect(), tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_stay_apart_and_every_token_is_accounted_for() {
        let documents = vec![vec![1, 2, 3, 4, 5], vec![], vec![6, 7]];
        let (segments, left_out) = by_document(&documents, Some(0), 3);
        let got: Vec<(usize, &[u32])> = segments.iter().map(|s| (s.document, s.tokens.as_slice())).collect();
        assert_eq!(got, [(0, &[1, 2, 3][..]), (0, &[4, 5, 0]), (2, &[6, 7, 0])]);
        // The empty document is its EOS alone.
        assert_eq!(left_out, 1);
    }

    #[test]
    fn a_joined_stream_is_cut_evenly() {
        let (segments, tail) = joined(&[vec![1, 2, 3], vec![4, 5]], 0, 3);
        assert_eq!(segments, [[1, 2, 3], [0, 4, 5]]);
        assert_eq!(tail, 1);
    }
}
