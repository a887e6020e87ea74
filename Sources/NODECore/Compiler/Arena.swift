/// Assigns offsets in one space to buffers with known lifetimes: best fit over the gaps that ended lifetimes leave.
struct Arena {
  struct Request {
    var id: ValueID
    var bytes: Int
    /// Positions, both inclusive.
    var first: Int, last: Int
  }

  private(set) var offsets: [ValueID: Int] = [:]
  private(set) var bytes = 0

  init(_ requests: [Request]) {
    let requests = requests.sorted { ($0.first, $0.id) < ($1.first, $1.id) }
    var alive: [(last: Int, offset: Int, bytes: Int)] = []
    for request in requests {
      alive.removeAll { $0.last < request.first }
      let size = Arena.aligned(max(request.bytes, 1))
      let offset = Arena.gap(alive, size)
      offsets[request.id] = offset
      bytes = max(bytes, offset + size)
      let place = alive.firstIndex { $0.offset > offset } ?? alive.count
      alive.insert((request.last, offset, size), at: place)
    }
  }

  /// The smallest gap between the living (sorted by offset) that holds `size` bytes; the end where there is none.
  private static func gap(_ alive: [(last: Int, offset: Int, bytes: Int)], _ size: Int) -> Int {
    var best: (bytes: Int, offset: Int)?
    var end = 0
    for block in alive {
      let room = block.offset - end
      if room >= size, room < (best?.bytes ?? .max) { best = (room, end) }
      end = max(end, block.offset + block.bytes)
    }
    return best?.offset ?? end
  }

  static func aligned(_ bytes: Int) -> Int {
    (bytes + KernelSizes.alignment - 1) / KernelSizes.alignment * KernelSizes.alignment
  }
}
