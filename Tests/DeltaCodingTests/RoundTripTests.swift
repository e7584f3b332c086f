import DeltaCoding
import Testing

/// apply(delta(a, b), a) == b.
@Suite struct RoundTripTests {
  @Test(arguments: [1, 7, 64, 700, 4096])
  func editsComeThrough(blockLength: Int) throws {
    let buffers = DeltaBuffers()
    for seed in 1...40 {
      var random = Generator(seed: UInt64(seed))
      let old = random.bytes(random.below(20_000) / (blockLength == 1 ? 20 : 1))
      let new = random.edited(old)
      let signature = try makeSignature(old, blockLength: blockLength, buffers: buffers)
      let delta = try makeDelta(signature, new, buffers: buffers)
      #expect(
        try applyDelta(delta, to: old, limit: new.count, buffers: buffers) == new, "seed \(seed)")
    }
  }

  @Test func everySizeAtBlockEdges() throws {
    let buffers = DeltaBuffers()
    var random = Generator(seed: 99)
    let sizes = [0, 1, 2, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097]
    for old in sizes {
      for new in sizes {
        let long = random.bytes(5000)
        let (a, b) = (Array(long.prefix(old)), Array(long.prefix(new)))
        let signature = try makeSignature(a, blockLength: 64, buffers: buffers)
        #expect(signature.count == Signature.byteCount(of: old, blockLength: 64, strongLength: 8))
        let delta = try makeDelta(signature, b, buffers: buffers)
        #expect(try applyDelta(delta, to: a, limit: new, buffers: buffers) == b)
      }
    }
  }

  @Test(arguments: [(1, 1), (1, 3), (3, 1), (5, 4096), (4096, 5)])
  func tinyBuffersGiveTheSameBytes(input: Int, output: Int) throws {
    let tiny = DeltaBuffers(inputSize: input, outputSize: output)
    let normal = DeltaBuffers()
    for seed in 1...8 {
      var random = Generator(seed: UInt64(seed))
      let old = random.bytes(3000)
      let new = random.edited(old)
      let signature = try makeSignature(old, blockLength: 128, buffers: tiny)
      #expect(try signature == makeSignature(old, blockLength: 128, buffers: normal))
      let delta = try makeDelta(signature, new, buffers: tiny)
      #expect(try applyDelta(delta, to: old, limit: new.count, buffers: tiny) == new)
      #expect(try applyDelta(delta, to: old, limit: new.count, buffers: normal) == new)
    }
  }

  @Test func equalDataIsOneShortDelta() throws {
    let buffers = DeltaBuffers()
    var random = Generator(seed: 5)
    let data = random.bytes(1_000_000)
    let signature = try makeSignature(data, blockLength: 4096, buffers: buffers)
    #expect(try makeDelta(signature, data, buffers: buffers).count < 100)
  }

  @Test func movedDataIsCopied() throws {
    let buffers = DeltaBuffers()
    var random = Generator(seed: 6)
    let data = random.bytes(400_000)
    let moved = Array(data[200_000...] + data[..<200_000])
    let signature = try makeSignature(data, blockLength: 2048, buffers: buffers)
    #expect(try makeDelta(signature, moved, buffers: buffers).count < 10_000)
  }

  @Test func errorsOfClosuresPassThrough() throws {
    struct Own: Error, Equatable {}
    let buffers = DeltaBuffers()
    let data = [UInt8](repeating: 7, count: 10_000)
    let signature = try makeSignature(data, blockLength: 64, buffers: buffers)
    let delta = try makeDelta(signature, data, buffers: buffers)
    #expect(throws: Own()) {
      try Signature.make(
        blockLength: 64, strongLength: 8, buffers: buffers, readChunk: { _ in throw Own() },
        emit: { _ in })
    }
    #expect(throws: Own()) {
      try Signature.make(
        blockLength: 64, strongLength: 8, buffers: buffers, readChunk: reader(data),
        emit: { _ in throw Own() })
    }
    #expect(throws: Own()) {
      try Delta.apply(
        basisSize: 10_000, outputSizeMax: 10_000, buffers: buffers,
        readBasis: { _, _ in throw Own() }, feedDelta: reader(delta), emit: { _ in })
    }
    #expect(throws: DeltaError.basisEnded(offset: 0)) {
      try Delta.apply(
        basisSize: 10_000, outputSizeMax: 10_000, buffers: buffers,
        readBasis: { _, _ in 0 }, feedDelta: reader(delta), emit: { _ in })
    }
  }

  @Test func shortReadsOfTheBasisAreContinued() throws {
    let buffers = DeltaBuffers()
    var random = Generator(seed: 8)
    let data = random.bytes(5000)
    let signature = try makeSignature(data, blockLength: 512, buffers: buffers)
    let delta = try makeDelta(signature, data, buffers: buffers)
    var output: [UInt8] = []
    try Delta.apply(
      basisSize: 5000, outputSizeMax: 5000, buffers: buffers,
      readBasis: { offset, room in
        room[0] = data[Int(offset)]
        return 1
      }, feedDelta: reader(delta), emit: { output += $0 })
    #expect(output == data)
  }

  @Test func parametersOutsideTheirLimitsAreRefused() {
    let buffers = DeltaBuffers()
    for (block, strong) in [(0, 8), (-1, 8), (1 << 21, 8), (64, 0), (64, 17)] {
      #expect(throws: DeltaError.self) {
        try makeSignature([1], blockLength: block, strongLength: strong, buffers: buffers)
      }
    }
  }

  @Test func strongLengthGrowsWithTheBasis() {
    #expect(Signature.strongLength(basisSize: 0, blockLength: 4096) >= 4)
    #expect(Signature.strongLength(basisSize: 1 << 30, blockLength: 32 << 10) == 8)
    #expect(Signature.strongLength(basisSize: .max, blockLength: 1) <= 16)
  }
}
