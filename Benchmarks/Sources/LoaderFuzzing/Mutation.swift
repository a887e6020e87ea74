/// Damages bytes: anywhere, and where formats keep their structure: in numbers, in words, in lengths.
enum Mutation {
  /// Values at which arithmetic goes wrong.
  private static let edges: [UInt64] = [
    0, 1, 2, 7, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
    0x1_0000_0000, 1 << 60, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, .max,
  ]

  private static let words = [
    "'", "\"", "{", "}", "[", "]", "(", ")", ",", ":", "\\", "\\u", "\\ud800", "-", ".", "e9", "null", "True",
    "False",
    "'|O'", "'<f4'", "'>i8'", "F32", "BF16", "I64", "__metadata__", "data_offsets", "shape", "dtype", "descr",
    "\0", "\n",
    "18446744073709551616", "9223372036854775807", "4294967296", "0", "1", "\u{e9}", "PK\u{1}\u{2}",
    "PK\u{3}\u{4}",
    "PK\u{5}\u{6}", "PK\u{6}\u{6}", "PK\u{6}\u{7}", "PK\u{7}\u{8}", "../", "/",
  ]

  static func apply(_ bytes: inout [UInt8], _ dice: inout Dice) {
    guard !bytes.isEmpty else {
      bytes = dice.bytes(dice.below(40))
      return
    }
    // Half of the changes hit an end, where headers and directories are.
    let reach = dice.oneIn(2) ? bytes.count : min(bytes.count, 160)
    let fromFront = dice.below(reach)
    let at = dice.oneIn(3) ? bytes.count - 1 - fromFront : fromFront
    switch dice.below(10) {
    case 0: bytes[at] = UInt8(truncatingIfNeeded: dice.next())
    case 1: bytes[at] ^= 1 << UInt8(dice.below(8))
    case 2: bytes.removeSubrange(at..<min(bytes.count, at + 1 + dice.below(16)))
    case 3: bytes.insert(contentsOf: dice.bytes(1 + dice.below(8)), at: at)
    case 4: bytes.removeSubrange(at...)
    case 5:
      // A piece of it again, elsewhere.
      let piece = bytes[at..<min(bytes.count, at + 1 + dice.below(80))]
      bytes.insert(contentsOf: Array(piece), at: dice.below(bytes.count + 1))
    case 6:
      let width = dice.pick([1, 2, 4, 8]), value = dice.pick(edges) &+ (dice.oneIn(3) ? dice.next() % 5 : 0)
      for i in 0..<width where at + i < bytes.count {
        bytes[at + i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * i))
      }
    case 7: digits(&bytes, from: at, &dice)
    case 8:
      let word = Array(dice.pick(words).utf8)
      if dice.oneIn(2) {
        bytes.insert(contentsOf: word, at: at)
      } else {
        bytes.replaceSubrange(at..<min(bytes.count, at + word.count), with: word)
      }
    default:
      let small = Int(bytes[at]) + dice.below(7) - 3
      bytes[at] = UInt8(truncatingIfNeeded: small)
    }
  }

  /// Another number in the place of the next one that is written in digits.
  private static func digits(_ bytes: inout [UInt8], from: Int, _ dice: inout Dice) {
    func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    guard let start = bytes[from...].firstIndex(where: isDigit) else { return }
    let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
    let number: String
    switch dice.below(3) {
    case 0: number = String(dice.pick(edges))
    case 1: number = String(dice.below(40))
    default:
      let old = Int(String(decoding: bytes[start..<end], as: UTF8.self)) ?? 0
      number = String(old &+ dice.below(9) &- 4)
    }
    bytes.replaceSubrange(start..<end, with: Array(number.utf8))
  }
}
