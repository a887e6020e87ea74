import CMeasure
import NODECore

/// What times are divided by, measured in the same process: a ratio to it says something on another machine too.
public enum Yardstick: String, Codable, Sendable {
  /// Independent fused multiply-adds in registers.
  case arithmetic
  /// A copy that does not fit in the caches.
  case memory

  /// Processor seconds of a fixed amount of work: 20 Mflop a lane of a vector, or 16 MiB copied.
  public func seconds(_ buffer: CopyBuffer) -> Double {
    let start = nde_thread_seconds()
    switch self {
    case .arithmetic: nde_fma_rounds_f32(Yardstick.vectorBits, 200_000)
    case .memory: nde_copy(buffer.target, buffer.source, Int64(CopyBuffer.byteCount))
    }
    return nde_thread_seconds() - start
  }

  /// Width of the vectors of the kernels in force.
  static var vectorBits: Int32 {
    switch InstructionSet.current {
    case .reference, .baseline: 128
    case .avx2: 256
    case .avx512: 512
    }
  }

  /// Fused-multiply-add peak of one thread in GFLOP/s, the best of so many tries.
  public static func peak(elementBytes: Int = 4, tries: Int = 20) -> Double {
    let rounds: Int64 = 100_000
    let flops = Double(rounds * nde_fma_flops_per_round(vectorBits, Int32(elementBytes)))
    let best = (0..<tries).map { _ in
      let start = nde_thread_seconds()
      elementBytes == 4
        ? nde_fma_rounds_f32(vectorBits, rounds) : nde_fma_rounds_f64(vectorBits, rounds)
      return nde_thread_seconds() - start
    }.min()!
    return flops / best * 1e-9
  }
}

/// Memory of the copying yardstick, made once.
public final class CopyBuffer {
  static let byteCount = 16 << 20
  let source = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
  let target = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)

  public init() {
    source.initializeMemory(as: UInt8.self, repeating: 1, count: Self.byteCount)
    target.initializeMemory(as: UInt8.self, repeating: 2, count: Self.byteCount)
  }

  deinit {
    source.deallocate()
    target.deallocate()
  }
}
