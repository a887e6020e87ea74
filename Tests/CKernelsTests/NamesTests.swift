import CKernels
import Testing

@Test func everyElementwiseOperationHasANameAnArityAndACost() {
  for raw in 0..<UInt32(NK_EWISE_COUNT) {
    let op = Elementwise(rawValue: raw)!
    #expect(!String(cString: nk_ewise_name(op)).isEmpty)
    #expect((1...3).contains(nk_ewise_arity(op)))
    #expect(nk_ewise_flops(op) >= 1)
  }
}
