import NODECore
import Testing

@Suite struct CertifiedModelTests {
  @Test(arguments: CertifiedModel.all.filter { $0.certificate != nil })
  func theGradientOfASolveIsCertified(model: CertifiedModel) throws {
    let certify = try #require(model.certificate)
    let certificate = try certify()
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
