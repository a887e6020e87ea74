// Images are [n, height, width, channels], filters [height, width, inputs, outputs].

/// Cross-correlation of images x [n, h, w, cin] with a filter [kh, kw, cin, cout]: [n, oh, ow, cout], where
/// oh = (h + padding - kh) / stride + 1, rounded down.
public func conv2d<S: FloatingScalar>(
  _ x: Tensor<S>, _ filter: Tensor<S>, stride: Int = 1, padding: Padding = .valid
) -> Tensor<S> {
  require(
    x.rank == 4 && filter.rank == 4,
    "conv2d: needs images [n, h, w, cin] and a filter [kh, kw, cin, cout], got \(x.shape) and \(filter.shape)"
  )
  require(stride > 0, "conv2d: stride \(stride) must be positive")
  let vertical = padding.amounts(extent: x.shape[1], kernel: filter.shape[0], stride: stride)
  let horizontal = padding.amounts(extent: x.shape[2], kernel: filter.shape[1], stride: stride)
  let geometry = Convolution(
    height: x.shape[1], width: x.shape[2], inputChannels: x.shape[3],
    kernelHeight: filter.shape[0], kernelWidth: filter.shape[1], stride: stride,
    padTop: vertical.low, padLeft: horizontal.low, padBottom: vertical.high, padRight: horizontal.high,
    outputChannels: filter.shape[3])
  return Tensor(Graph.one(.conv2d(geometry), [x.value, filter.value]))
}

/// The largest element of every size x size window of [n, h, w, c]: [n, oh, ow, c]. The stride is the size unless given.
/// The derivative goes to the window's first maximum in row-major order.
public func maxPool2d<S: FloatingScalar>(_ x: Tensor<S>, size: Int, stride: Int? = nil) -> Tensor<S> {
  Tensor(Graph.one(.fused(.pool2d(maximum: true, size: size, stride: stride ?? size)), [x.value]))
}

/// The mean of every size x size window of [n, h, w, c]: [n, oh, ow, c]. The stride is the size unless given.
public func averagePool2d<S: FloatingScalar>(_ x: Tensor<S>, size: Int, stride: Int? = nil) -> Tensor<S> {
  Tensor(Graph.one(.fused(.pool2d(maximum: false, size: size, stride: stride ?? size)), [x.value]))
}

/// (x - mean) / sqrt(variance + epsilon) of x [n, spatial..., c], moments over the spatial axes and the channels of each of
/// `groups` groups of adjacent channels (Wu and He 2018). No scale and no shift: layers add them.
public func groupNorm<S: FloatingScalar>(_ x: Tensor<S>, groups: Int, epsilon: Double = 1e-5) -> Tensor<S> {
  Tensor(Graph.one(.fused(.groupNorm(groups: groups, epsilon: epsilon)), [x.value]))
}

/// -log softmax(logits)[label] of logits [rows..., classes] and labels [rows...]: [rows...]. A label outside of
/// 0..<classes gives NaN in its row.
public func softmaxCrossEntropy<S: FloatingScalar>(logits: Tensor<S>, labels: Tensor<Int32>) -> Tensor<S> {
  Tensor(Graph.one(.fused(.softmaxCrossEntropy), [logits.value, labels.value]))
}
