import DeltaCoding
import Testing

/// Signatures and deltas of a peer that lies.
@Suite struct HostileInputTests {
  private let basis = [UInt8]((0..<1000).map { UInt8(truncatingIfNeeded: $0) })

  private func delta(_ commands: [UInt8]) -> [UInt8] { [0x72, 0x73, 0x02, 0x36] + commands }

  private func apply(_ bytes: [UInt8], limit: Int = 1000) throws -> [UInt8] {
    try applyDelta(bytes, to: basis, limit: limit, buffers: DeltaBuffers())
  }

  private func wide(_ value: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * $0)) }
  }

  /// Copy with an 8-byte position and an 8-byte length.
  private func copy(_ position: UInt64, _ length: UInt64) -> [UInt8] {
    [0x54] + wide(position) + wide(length)
  }

  @Test func theHandMadeCommandsAreWhatWeThink() throws {
    #expect(try apply(delta(copy(10, 5) + [0])) == Array(basis[10..<15]))
    #expect(try apply(delta([0x03, 1, 2, 3, 0])) == [1, 2, 3])
    #expect(try apply(delta([0x44] + wide(2) + [8, 9, 0])) == [8, 9])
    #expect(try apply(delta([0])) == [])
  }

  @Test(arguments: [
    Copy(0, 1001), Copy(1000, 1), Copy(999, 2), Copy(5000, 1), Copy(1 << 62, 1),
    Copy(Copy.top, 1), Copy(1, Copy.top), Copy(Copy.top, Copy.top),
  ])
  func copiesOutsideTheBasisAreRefused(_ command: Copy) {
    #expect {
      try apply(delta(copy(command.position, command.length) + [0]), limit: 1 << 40)
    } throws: { error in
      if case DeltaError.copyOutsideBasis = error { true } else { false }
    }
  }

  @Test(arguments: [
    Copy(.max, 1), Copy(1 << 63, 1), Copy(0, .max), Copy(0, 1 << 63), Copy(0, 0), Copy(.max, .max),
  ])
  func impossibleCopiesAreDamage(_ command: Copy) {
    #expect(throws: DeltaError.self) {
      try apply(delta(copy(command.position, command.length) + [0]))
    }
  }

  @Test(arguments: [UInt64(1) << 63, .max, UInt64(Int64.max), 1 << 40, 0])
  func announcedLiteralsAreNotBelieved(length: UInt64) {
    #expect(throws: DeltaError.self) { try apply(delta([0x44] + wide(length) + [1, 2, 3])) }
    #expect(throws: DeltaError.self) {
      let many = [UInt8](repeating: 1, count: 2000)
      return try apply(delta([0x44] + wide(length) + many))
    }
  }

  @Test func outputStopsAtTheLimit() throws {
    let twice = delta(copy(0, 1000) + copy(0, 1000) + [0])
    #expect(throws: DeltaError.outputTooLarge(limit: 1999)) { try apply(twice, limit: 1999) }
    #expect(try apply(twice, limit: 2000).count == 2000)
    var handedOut = 0
    let many = delta((0..<500).flatMap { _ in copy(0, 1000) } + [0])
    #expect(throws: DeltaError.outputTooLarge(limit: 1500)) {
      try Delta.apply(
        basisSize: 1000, outputSizeMax: 1500, buffers: DeltaBuffers(inputSize: 64, outputSize: 64),
        readBasis: { _, room in room.count }, feedDelta: reader(many),
        emit: { handedOut += $0.count })
    }
    #expect(handedOut <= 1500)
  }

  @Test func truncationAndTrailingBytesAreDamage() throws {
    var random = Generator(seed: 3)
    let new = random.edited(basis) + random.bytes(50)
    let buffers = DeltaBuffers()
    let signature = try makeSignature(basis, blockLength: 64, buffers: buffers)
    let whole = try makeDelta(signature, new, buffers: buffers)
    #expect(try apply(whole, limit: new.count) == new)
    for length in 0..<whole.count {
      #expect(throws: DeltaError.self) { try apply(Array(whole.prefix(length)), limit: new.count) }
    }
    #expect(throws: DeltaError.damaged(reason: "bytes follow its end")) {
      try apply(whole + [0], limit: new.count)
    }
    #expect(throws: DeltaError.damaged(reason: "bytes follow its end")) {
      try applyDelta(
        whole + [0], to: basis, limit: new.count,
        buffers: DeltaBuffers(inputSize: 1, outputSize: 1))
    }
  }

  @Test func garbageDeltasNeverTrap() {
    let small = DeltaBuffers(inputSize: 3, outputSize: 5)
    let normal = DeltaBuffers()
    for seed in 1...3000 {
      var random = Generator(seed: UInt64(seed))
      let bytes = delta(random.bytes(random.below(60)))
      let first = Result { try applyDelta(bytes, to: basis, limit: 5000, buffers: normal) }
      let second = Result { try applyDelta(bytes, to: basis, limit: 5000, buffers: small) }
      switch (first, second) {
      case (.success(let a), .success(let b)): #expect(a == b)
      case (.failure(let a), .failure(let b)):
        #expect(a is DeltaError)
        #expect(b is DeltaError)
      default: Issue.record("buffer sizes decide about seed \(seed)")
      }
    }
  }

  @Test func otherFormatsAreNoDelta() {
    #expect(throws: DeltaError.self) { try apply([]) }
    #expect(throws: DeltaError.self) { try apply([0x72, 0x73, 0x01, 0x46, 0]) }
  }

  private func header(_ magic: [UInt8], _ block: UInt32, _ strong: UInt32) -> [UInt8] {
    func word(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
    }
    return magic + word(block) + word(strong)
  }

  @Test func signaturesAreCheckedBeforeTheyAreLoaded() throws {
    let buffers = DeltaBuffers()
    let magic: [UInt8] = [0x72, 0x73, 0x01, 0x46]
    let good = header(magic, 64, 8)
    let bad = [
      [], [0x72], Array(good.dropLast()), header([0x72, 0x73, 0x01, 0x47], 64, 8),
      header([0x72, 0x73, 0x02, 0x36], 64, 8), header(magic, 0, 8), header(magic, 64, 0),
      header(magic, 64, 17), header(magic, (1 << 20) + 1, 8), header(magic, .max, 8),
      header(magic, 64, .max), good + [1], good + [UInt8](repeating: 0, count: 23),
    ]
    for bytes in bad {
      #expect(throws: DeltaError.self) { _ = try parse(bytes, buffers: buffers) }
    }
    let entries = [UInt8](repeating: 1, count: 12 * 5)
    #expect(throws: DeltaError.self) {
      _ = try parse(good + entries, entryLimit: 4, buffers: buffers)
    }
    let parsed = try parse(good + entries, entryLimit: 5, buffers: buffers)
    #expect(parsed.count == 5)
    #expect(parsed.blockLength == 64)
    #expect(parsed.strongLength == 8)
  }

  @Test func anEmptySignatureGivesLiterals() throws {
    let buffers = DeltaBuffers()
    let signature = try makeSignature([], blockLength: 64, buffers: buffers)
    let delta = try makeDelta(signature, basis, buffers: buffers)
    #expect(try applyDelta(delta, to: [], limit: 1000, buffers: buffers) == basis)
  }

  @Test func inventedSignaturesGiveDeltasThatApplyOrThrow() throws {
    let buffers = DeltaBuffers()
    for seed in 1...200 {
      var random = Generator(seed: UInt64(seed))
      let entries = random.bytes(8 * random.below(40))
      let signature = header([0x72, 0x73, 0x01, 0x46], UInt32(1 + random.below(100)), 4) + entries
      let data = random.bytes(500)
      let delta = try makeDelta(signature, data, buffers: buffers)
      // Made-up sums match nothing, so everything is a literal.
      #expect(try applyDelta(delta, to: [], limit: 500, buffers: buffers) == data)
    }
  }
}

/// A copy command of a delta.
struct Copy: Sendable {
  static let top = UInt64(Int64.max)
  let position: UInt64
  let length: UInt64

  init(_ position: UInt64, _ length: UInt64) {
    self.position = position
    self.length = length
  }
}
