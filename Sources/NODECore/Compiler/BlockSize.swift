/// How many lanes a block has: from shapes alone, so that results do not depend on threads.
package enum BlockSize {
  /// Half of a second-level cache: what the live values of one block should fit in.
  static let budget = 256 << 10
  /// Blocks that a region is cut into where there are lanes enough: work for threads, whatever their number.
  static let minimumBlocks = 8
  /// What a block has at least to be worth a pass of its own: below it, starting kernels takes longer than what they do,
  /// and a thread would be woken for less than the waking costs. Tests of blocks set it to 0, so that they need no large
  /// problems.
  package static let minimumBytes = TaskLocal(wrappedValue: 32 << 10)
  /// Rows that remain run at a fraction of the speed.
  static let tileRows = KernelSizes.tileRows

  /// `bytesPerLane`: what a lane keeps in cache; `sharedBytes`: weights that each block reads and sums that it adds to.
  static func lanes(of total: Int, bytesPerLane: Int, sharedBytes: Int) -> Int {
    let bytes = max(bytesPerLane, 1)
    // A block that moves more bytes of weights than of its own pays for them with every lane: better to leave the cache.
    let sensible = max(budget / bytes, sharedBytes / bytes, 1)
    let smallest = min(minimumBytes.get() / bytes, total)
    let largest = max(1, (total + minimumBlocks - 1) / minimumBlocks, smallest)
    let lanes = min(sensible, largest)
    return lanes < tileRows ? lanes : (lanes + tileRows - 1) / tileRows * tileRows
  }
}
