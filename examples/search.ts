// AssemblyScript: a job for a device. Where a word occurs in a text.
// Input: the word's length in bytes (u32, little-endian), the word, the text. Output: the offset of each occurrence in the
// text (u32, little-endian), overlapping ones too, in ascending order.

export function allocate(bytes: i32): usize {
  return heap.alloc(bytes);
}

export function run(input: usize, bytes: i32): u64 {
  const wordBytes = load<u32>(input);
  const word = input + 4;
  const text = word + wordBytes;
  const textBytes = <u32>bytes - 4 - wordBytes;
  if (bytes < 4 || wordBytes == 0 || wordBytes > <u32>bytes - 4) unreachable();

  // Horspool: by the byte under the word's end, how far the word may be moved on.
  const shifts = heap.alloc(256 * 4);
  for (let byte: u32 = 0; byte < 256; byte++) store<u32>(shifts + byte * 4, wordBytes);
  for (let i: u32 = 0; i + 1 < wordBytes; i++)
    store<u32>(shifts + (<u32>load<u8>(word + i)) * 4, wordBytes - 1 - i);

  let capacity: u32 = 1024;
  let found = heap.alloc(capacity * 4);
  let count: u32 = 0;
  for (let at: u32 = 0; at + wordBytes <= textBytes; ) {
    if (memory.compare(text + at, word, wordBytes) == 0) {
      if (count == capacity) {
        found = heap.realloc(found, capacity * 8);
        capacity *= 2;
      }
      store<u32>(found + count * 4, at);
      count++;
    }
    at += load<u32>(shifts + (<u32>load<u8>(text + at + wordBytes - 1)) * 4);
  }
  return ((<u64>found) << 32) | (<u64>count * 4);
}
