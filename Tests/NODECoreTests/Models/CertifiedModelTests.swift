import NODECore
import Testing

@Suite struct CertifiedModelTests {
  @Test(arguments: CertifiedModel.all) func theGradientOfASolveIsCertified(model: CertifiedModel) throws {
    let certificate = try model.certificate()
    #expect(certificate.untouched.isEmpty, "\(certificate)")
    #expect(certificate.worstDuality < 1e-10, "\(certificate)")
    #expect(certificate.worstDifference < 1e-5, "\(certificate)")
  }

  @Test(arguments: CertifiedModel.all) func theGradientOfALossIsThatOfDifferences(model: CertifiedModel)
    throws
  {
    try model.report().verify()
  }
}
