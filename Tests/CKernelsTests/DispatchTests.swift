import CKernels
import Testing

@Suite struct DispatchTests {
  @Test func tablesSayWhatTheyAre() {
    for kernel in KernelCase.all {
      #expect(kernel.kernels.isa == kernel.isa && kernel.kernels.dtype == kernel.dtype)
      #expect(kernel.kernels.vector_elements >= 1)
    }
    #expect(nk_kernels_for(.NK_ISA_BASELINE, .NK_I32) == nil)
  }

  /// The reference and the baseline run everywhere; the best set is one that runs.
  @Test func theBestSetRuns() {
    for isa in [nk_isa.NK_ISA_REFERENCE, .NK_ISA_BASELINE, nk_isa_best(), nk_isa_current()] {
      #expect(nk_kernels_for(isa, .NK_F32) != nil && nk_kernels_for(isa, .NK_F64) != nil)
    }
    #expect(nk_isa_best().rawValue >= nk_isa.NK_ISA_BASELINE.rawValue)
    #expect(nk_kernels_get(.NK_F32).pointee.isa == nk_isa_current())
  }

  @Test func onlySetsThatRunCanBeForced() {
    for raw in 0..<UInt32(NK_ISA_COUNT) {
      let isa = nk_isa(rawValue: raw)!
      if nk_kernels_for(isa, .NK_F32) == nil {
        #expect(nk_isa_force(isa) == .NK_INVALID_ARGUMENT)
      }
    }
    // Forcing another set would change it under the other tests: the one in force stands for all.
    #expect(nk_isa_force(nk_isa_current()) == .NK_SUCCESS)
  }
}
