import CKernels
import Foundation

/// The instruction sets that kernels are compiled for, in ascending order.
public enum InstructionSet: Sendable, Hashable, CaseIterable, CustomStringConvertible {
  /// Plain scalar code: the oracle of the tests.
  case reference
  /// What every machine of this architecture has.
  case baseline
  /// AVX2 with FMA; on x86-64 only.
  case avx2
  /// AVX-512 F, DQ, BW and VL; on x86-64 only.
  case avx512

  /// The one whose kernels run.
  public static var current: InstructionSet { InstructionSet(nk_isa_current()) }

  /// Those that this machine can run.
  public static var available: [InstructionSet] {
    allCases.filter { nk_kernels_for($0.kernel, .NK_F32) != nil }
  }

  /// Forces an instruction set for the whole process, for tests and benchmarks. Call it before anything is compiled:
  /// packed operands are laid out for one instruction set.
  public static func force(_ instructionSet: InstructionSet) throws(UnavailableInstructionSet) {
    guard nk_isa_force(instructionSet.kernel) == .NK_SUCCESS else {
      throw UnavailableInstructionSet(requested: instructionSet)
    }
  }

  public var description: String { String(cString: nk_isa_name(kernel)) }

  init(_ kernel: nk_isa) {
    self =
      switch kernel {
      case .NK_ISA_REFERENCE: .reference
      case .NK_ISA_BASELINE: .baseline
      case .NK_ISA_AVX2: .avx2
      case .NK_ISA_AVX512: .avx512
      }
  }

  var kernel: nk_isa {
    switch self {
    case .reference: .NK_ISA_REFERENCE
    case .baseline: .NK_ISA_BASELINE
    case .avx2: .NK_ISA_AVX2
    case .avx512: .NK_ISA_AVX512
    }
  }
}

/// This machine cannot run the instruction set that was asked for.
public struct UnavailableInstructionSet: Error, Hashable, CustomStringConvertible {
  /// None of `InstructionSet.available`.
  public let requested: InstructionSet

  public var description: String {
    let available = InstructionSet.available.map(\.description).joined(separator: ", ")
    return "the instruction set \(requested) is not available on this machine; it has \(available)"
  }
}

extension UnavailableInstructionSet: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
