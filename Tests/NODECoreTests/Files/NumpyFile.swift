import Foundation
import NODECore

/// Files that numpy 2.4.6 made.
struct NumpyFile: Sendable, CustomStringConvertible {
  /// The array, in Python.
  let description: String
  let dtype: DType
  let shape: Shape
  /// Row-major.
  let elements: [Double]
  let bytes: [UInt8]

  init(
    _ description: String, version: Int, _ dtype: DType, _ shape: Shape, _ elements: [Double],
    _ base64: String
  ) {
    self.description = "\(description), version \(version)"
    self.dtype = dtype
    self.shape = shape
    self.elements = elements
    bytes = decoded(base64)
  }

  /// f = io.BytesIO(); np.lib.format.write_array(f, array, version=(version, 0)); base64.b64encode(f.getvalue())
  static let arrays: [NumpyFile] = [
    NumpyFile(
      "np.arange(6, dtype='<f4').reshape(2, 3) - 0.5", version: 1, .float32, [2, 3],
      [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAC/AAAAPwAAwD8AACBA \
      AABgQAAAkEA=
      """),
    NumpyFile(
      "np.asfortranarray(np.arange(6).reshape(2, 3) / 7).astype('>f8')", version: 1, .float64, [2, 3],
      [
        0.0, 0.14285714285714285, 0.2857142857142857, 0.42857142857142855, 0.5714285714285714,
        0.7142857142857143,
      ],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnPmY4JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAD/bbbbbbbbb \
      P8JJJJJJJJI/4kkkkkkkkj/SSSSSSSSSP+bbbbbbbbc=
      """),
    NumpyFile(
      "np.asfortranarray(np.arange(12).reshape(2, 3, 2) - 5).astype('>i4')", version: 2, .int32, [2, 3, 2],
      [-5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
      """
      k05VTVBZAgB0AAAAeydkZXNjcic6ICc+aTQnLCAnZm9ydHJhbl9vcmRlcic6IFRydWUsICdzaGFwZSc6ICgyLCAzLCAyKSwg \
      fSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr////7AAAAAf////0AAAAD \
      /////wAAAAX////8AAAAAv////4AAAAEAAAAAAAAAAY=
      """),
    NumpyFile(
      "np.asfortranarray(np.arange(6, dtype='<i2').reshape(3, 2))", version: 1, .int32, [3, 2],
      [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnPGkyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMywgMiksIH0gICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAIABAABAAMABQA=
      """),
    NumpyFile(
      "np.zeros((0, 3), dtype='<f4')", version: 3, .float32, [0, 3], [],
      """
      k05VTVBZAwB0AAAAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMCwgMyksIH0g \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo=
      """),
    NumpyFile(
      "np.array(1.5)", version: 1, .float64, [], [1.5],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAD4Pw==
      """),
    NumpyFile(
      "np.array([0.1, -2, 65504, 6e-8, np.inf, -0.0], dtype='>f2')", version: 1, .float32, [6],
      [0.0999755859375, -2.0, 65504.0, 5.960464477539063e-08, .infinity, -0.0],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnPmYyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDYsKSwgfSAgICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAouZsAAe/8AAXwAgAA=
      """),
    NumpyFile(
      "np.array([2147483647, -2147483648])", version: 1, .int32, [2], [2147483647.0, -2147483648.0],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr///9/AAAAAAAAAID/////
      """),
    NumpyFile(
      "np.array([[0, 255]], dtype='u1')", version: 1, .int32, [1, 2], [0.0, 255.0],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsIDIpLCB9ICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoA/w==
      """),
    NumpyFile(
      "np.array([True, False, True])", version: 1, .int32, [3], [1.0, 0.0, 1.0],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnfGIxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAAE=
      """),
    NumpyFile(
      "np.array([-128, 127], dtype='i1')", version: 1, .int32, [2], [-128.0, 127.0],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnfGkxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAqAfw==
      """),
    NumpyFile(
      "np.array([65535], dtype='>u2')", version: 1, .int32, [1], [65535.0],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnPnUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr//w==
      """),
    NumpyFile(
      "np.array([2147483647, 7], dtype='<u4')", version: 1, .int32, [2], [2147483647.0, 7.0],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnPHU0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr///9/BwAAAA==
      """),
    NumpyFile(
      "np.array(7, dtype='>u8')", version: 1, .int32, [], [7.0],
      """
      k05VTVBZAQB2AHsnZGVzY3InOiAnPnU4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAg \
      ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAABw==
      """),
  ]

  /// np.savez(f, w=np.arange(3, dtype='<f4'), labels=np.arange(2))
  static let stored = decoded(
    """
    UEsDBC0AAAAAAAAAIQC2jIZT//////////8FABQAdy5ucHkBABAAjAAAAAAAAACMAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzog \
    JzxmNCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgzLCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAg \
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAAAAAAAgD8AAABAUEsDBC0AAAAAAAAAIQB+avvJ//////////8KABQA \
    bGFiZWxzLm5weQEAEACQAAAAAAAAAJAAAAAAAAAAk05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBG \
    YWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg \
    ICAgICAgIAoAAAAAAAAAAAEAAAAAAAAAUEsBAi0DLQAAAAAAAAAhALaMhlOMAAAAjAAAAAUAAAAAAAAAAAAAAIABAAAAAHcubnB5 \
    UEsBAi0DLQAAAAAAAAAhAH5q+8mQAAAAkAAAAAoAAAAAAAAAAAAAAIABwwAAAGxhYmVscy5ucHlQSwUGAAAAAAIAAgBrAAAAjwEA \
    AAAA
    """)

  /// np.savez_compressed(f, **{'layers/0': np.arange(4.0).reshape(2, 2), 'é': np.zeros(40, '<f4')})
  static let deflated = decoded(
    """
    UEsDBC0AAAAIAAAAIQCjIIiE//////////8MABQAbGF5ZXJzLzAubnB5AQAQAKAAAAAAAAAAUQAAAAAAAACb7BfqGxDJyFDGUK2e \
    klqcXKRupaBuk2ahrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOgpGmjoKtQpkAy4GFPDBHspwgFAcDgBQSwMELQAA \
    CAgAAAAhAA5In8f//////////wYAFADDqS5ucHkBABAAIAEAAAAAAABIAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKu \
    o6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GiYGOpo6CrUK5AMuhkEOAFBLAQItAy0AAAAIAAAAIQCjIIiEUQAAAKAAAAAM \
    AAAAAAAAAAAAAACAAQAAAABsYXllcnMvMC5ucHlQSwECLQMtAAAICAAAACEADkifx0gAAAAgAQAABgAAAAAAAAAAAAAAgAGPAAAA \
    w6kubnB5UEsFBgAAAAACAAIAbgAAAA8BAAAAAA==
    """)

  /// Into a file that cannot seek, so that the entry has a data descriptor:
  /// with zipfile.ZipFile(f, 'w') as z, z.open('a.npy', 'w') as e:
  ///   np.lib.format.write_array(e, np.arange(2, dtype='<f4'), version=(1, 0))
  static let streamed = decoded(
    """
    UEsDBBQACAAAAAAAIQAAAAAAAAAAAAAAAAAFAAAAYS5ucHmTTlVNUFkBAHYAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRl \
    cic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg \
    ICAgICAgICAgICAgCgAAAAAAAIA/UEsHCPMFUyGIAAAAiAAAAFBLAQIUAxQACAAAAAAAIQDzBVMhiAAAAIgAAAAFAAAAAAAAAAAA \
    AACAAQAAAABhLm5weVBLBQYAAAAAAQABADMAAAC7AAAAAAA=
    """)
}

private func decoded(_ base64: String) -> [UInt8] {
  [UInt8](Data(base64Encoded: base64, options: .ignoreUnknownCharacters)!)
}
