/// The inputs that Pillow's NEAREST picks for the outputs `first` ... `first + count` of an axis of
/// `inputs` pixels resized to `outputs`.
///
/// Pillow adds up steps in double precision, from the first output on, also those that a crop drops; the
/// rounding errors of that sum decide some pixels, so the sum is taken here too. 16-bit gray is computed
/// one by one (`isClosedForm`), as is an axis longer than any that Pillow could make (2^28).
func nearestInputs(
  _ inputs: Int, _ outputs: Int, _ first: Int, _ count: Int, _ isClosedForm: Bool
) throws(ImagingError) -> Memory<Int> {
  let picked = try Memory<Int>(count, for: "positions")
  let step = Double(Float(inputs)) / Double(outputs)
  let addsUp = !isClosedForm && outputs <= 1 << 28
  var position = step * 0.5
  if addsUp {
    for _ in 0..<first { position += step }
  }
  for i in 0..<count {
    if !addsUp { position = step * (Double(first + i) + 0.5) }
    // i < count; positions are finite and clamped to the axis.
    unsafe picked.base[i] = min(max(Int(position), 0), inputs - 1)
    position += step
  }
  return picked
}
