/// How many lanes a block has: from shapes alone, so that results do not depend on threads.
enum BlockSize {
  /// Half of a second-level cache: what the live values of one block should fit in.
  static let budget = 256 << 10
  /// Blocks that a region is cut into where there are lanes enough: work for threads, whatever their number.
  static let minimumBlocks = 8
  /// Rows that the register tiles of all instruction sets divide: the rows that remain run at a fraction of the speed.
  static let tileRows = 12

  /// `bytesPerLane`: what a lane keeps in cache; `sharedBytes`: weights that each block reads and sums that it adds to.
  static func lanes(of total: Int, bytesPerLane: Int, sharedBytes: Int) -> Int {
    let fitting = budget / max(bytesPerLane, 1)
    // A block that moves more bytes of weights than of its own pays for them with every lane: better to leave the cache.
    let amortising = sharedBytes / max(bytesPerLane, 1)
    let largest = max(1, (total + minimumBlocks - 1) / minimumBlocks)
    let lanes = min(max(fitting, amortising, 1), largest)
    return lanes < tileRows ? lanes : (lanes + tileRows - 1) / tileRows * tileRows
  }
}
