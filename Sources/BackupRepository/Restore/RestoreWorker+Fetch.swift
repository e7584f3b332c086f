import FileTree
import Glibc
import ObjectStorage
import Platform

extension RestoreWorker {
  /// A blob that was read, and the pieces of files that it is.
  private struct Group {
    let numbers: ArraySlice<UInt32>
    let piece: RestorePiece
    /// nil when it could not be read.
    let sealed: SealedBlob?
  }

  /// Reads a part of a pack, opens its blobs and writes them to their places.
  func fetch(
    _ unit: ReadUnit, _ order: [UInt32], _ batch: RestoreBatch, _ table: OpenFileTable
  ) throws(RepositoryError) {
    let memory = buffer.reserve(unit.byteCount)
    let count = try read(unit, batch, into: memory)
    let bytes = UnsafeRawBufferPointer(rebasing: memory[..<count])
    var place = unit.places.lowerBound
    var finished: [Int] = []
    // A small blob that waits for the next one: two are opened together.
    var waiting: (group: Group, sealed: SealedBlob)?
    while place < unit.places.upperBound {
      let group = nextGroup(&place, unit, order, batch, bytes)
      guard group.numbers.contains(where: { !hasFailed(batch, $0) }) else { continue }
      guard let sealed = group.sealed, sealed.isSmall else {
        try restore(group, group.sealed.map { codec.open($0) }, batch, table, &finished)
        continue
      }
      guard let first = waiting else {
        waiting = (group, sealed)
        continue
      }
      waiting = nil
      let outcomes = codec.openPair(first.sealed, sealed)
      try restore(first.group, outcomes.0, batch, table, &finished)
      try restore(group, outcomes.1, batch, table, &finished)
    }
    if let waiting {
      try restore(waiting.group, codec.open(waiting.sealed), batch, table, &finished)
    }
    try flush(batch, &finished, table)
  }

  /// The pieces from `place` on that are one blob.
  private func nextGroup(
    _ place: inout Int, _ unit: ReadUnit, _ order: [UInt32], _ batch: RestoreBatch,
    _ bytes: UnsafeRawBufferPointer
  ) -> Group {
    let first = batch.pieces[Int(order[place])]
    var end = place + 1
    while end < unit.places.upperBound, isSame(batch.pieces[Int(order[end])], first) { end += 1 }
    defer { place = end }
    let start = Int(Int64(first.offset) - unit.offset)
    let stop = start + Int(first.sealedLength)
    let sealed =
      stop <= bytes.count
      ? SealedBlob(
        bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<stop]),
        plaintextLength: first.plaintextLength, handle: BlobHandle(.data, first.id)) : nil
    return Group(numbers: order[place..<end], piece: first, sealed: sealed)
  }

  /// Writes a blob that was opened to all its places; one that was not is looked for elsewhere.
  private func restore(
    _ group: Group, _ opened: RepositoryCodec.Opened?, _ batch: RestoreBatch,
    _ table: OpenFileTable, _ finished: inout [Int]
  ) throws(RepositoryError) {
    do throws(RepositoryError) {
      let plaintext = try content(of: group.piece, opened)
      for number in group.numbers { try write(Int(number), plaintext, batch, table, &finished) }
    } catch {
      guard error.isDamage else { throw error }
      for number in group.numbers { lose(batch, number, error) }
    }
  }

  private func isSame(_ a: RestorePiece, _ b: RestorePiece) -> Bool {
    a.offset == b.offset && a.sealedLength == b.sealedLength && a.id == b.id
      && a.plaintextLength == b.plaintextLength
  }

  private func hasFailed(_ batch: RestoreBatch, _ piece: UInt32) -> Bool {
    batch.item(Int(batch.pieces[Int(piece)].item)).hasFailed
  }

  /// Gives the count of bytes that could be read; a pack that is damaged or missing has none, and
  /// other copies of its blobs are looked for.
  private func read(
    _ unit: ReadUnit, _ batch: RestoreBatch, into memory: UnsafeMutableRawBufferPointer
  ) throws(RepositoryError) -> Int {
    let path = try repository.path(batch.packs[Int(unit.pack)])
    do throws(ObjectStoreError) {
      let count = try repository.store.get(path, offset: unit.offset, into: memory)
      state.count { $0.bytesFetched += Int64(count) }
      return count
    } catch {
      // One bad place of a disk is damage; a store that cannot be reached is not.
      guard error.kind == .notFound || error.kind == .corrupt || error.kind == .failed else {
        throw .store(error)
      }
      return 0
    }
  }

  /// The content of a blob; when the first copy is damaged, of any other.
  private func content(
    of piece: RestorePiece, _ opened: RepositoryCodec.Opened?
  ) throws(RepositoryError) -> UnsafeRawBufferPointer {
    switch opened {
    case .success(let content): return content
    case .failure(let error): guard error.isDamage else { throw error }
    case nil: break
    }
    let handle = BlobHandle(.data, piece.id)
    let content = try reader.read(handle)
    guard content.count == piece.byteCount else {
      throw .corrupt(.data, place: piece.id.short, reason: "its copies differ in length")
    }
    return content
  }

  private func lose(_ batch: RestoreBatch, _ piece: UInt32, _ error: RepositoryError) {
    let item = Int(batch.pieces[Int(piece)].item)
    guard markFailed(batch, item) else { return }
    state.entryFailed(.damage, batch.item(item).path, error.description)
  }

  // MARK: Writing

  private func write(
    _ number: Int, _ bytes: UnsafeRawBufferPointer, _ batch: RestoreBatch,
    _ table: OpenFileTable, _ finished: inout [Int]
  ) throws(RepositoryError) {
    let piece = batch.pieces[number]
    let itemNumber = Int(piece.item)
    if hasFailed(batch, UInt32(number)) { return }
    let item = batch.item(itemNumber)
    guard item.pieces.count > 1 else {
      return try step(batch, itemNumber) { () throws(TreeError) in try writeWhole(item, bytes) }
    }
    try step(batch, itemNumber) { () throws(TreeError) in
      let target = try target(itemNumber, batch, table)
      if item.hasBasis { batch.change(itemNumber) { $0.isTouched = true } }
      do throws(PlatformError) {
        if options.isSparse, !item.hasBasis {
          try writeData(bytes, at: piece.fileOffset, to: target.descriptor)
        } else {
          try staged.write(bytes, at: piece.fileOffset, to: target)
        }
      } catch {
        throw .system(error, path: item.path)
      }
      state.count { $0.bytesWritten += Int64(bytes.count) }
      finished.append(itemNumber)
    }
  }

  private func target(
    _ number: Int, _ batch: RestoreBatch, _ table: OpenFileTable
  ) throws(TreeError) -> DirectTarget {
    try table.file(number) { () throws(TreeError) in
      let item = batch.item(number)
      let (file, _) = try openTemporary(batch, number, try parent(item))
      return DirectTarget(file, sizeBytes: item.sizeBytes)
    }
  }

  /// A file of one blob: made, written and named in one go.
  private func writeWhole(
    _ item: RestoreItem, _ bytes: UnsafeRawBufferPointer
  ) throws(TreeError) {
    let parent = try parent(item)
    let (file, number) = try makeWhole(item, parent)
    do throws(PlatformError) {
      if options.isSparse {
        try FileIO.truncate(file.raw, to: Int64(bytes.count))
        try writeData(bytes, at: 0, to: file.raw)
      } else {
        try FileIO.write(file.raw, bytes, at: 0)
      }
    } catch {
      if let number { _ = unlinkat(parent, RestoreTemporary.name(number), 0) }
      throw .system(error, path: item.path)
    }
    state.count { $0.bytesWritten += Int64(bytes.count) }
    try complete(item, file, number, parent)
  }

  /// Writes all but the runs of zeros.
  private func writeData(
    _ bytes: UnsafeRawBufferPointer, at offset: Int64, to descriptor: Int32
  ) throws(PlatformError) {
    var position = 0
    while let run = DataRuns.next(bytes, from: position, fileOffset: offset) {
      try FileIO.write(
        descriptor, UnsafeRawBufferPointer(rebasing: bytes[run]), at: offset + Int64(run.lowerBound)
      )
      position = run.upperBound
    }
  }

  /// Writes what is staged and completes the files whose last piece it was.
  private func flush(
    _ batch: RestoreBatch, _ finished: inout [Int], _ table: OpenFileTable
  ) throws(RepositoryError) {
    do throws(PlatformError) { try staged.flush() } catch {
      try state.passIfFatal(error, [])
      // Whose bytes they were is not known any more: none of these files is complete.
      for number in Set(finished) { try fail(batch, number, .system(error, path: [])) }
    }
    for number in finished {
      let isLast = batch.change(number) { item in
        item.missingCount -= 1
        return item.missingCount == 0 && !item.hasFailed
      }
      guard isLast else { continue }
      try step(batch, number) { () throws(TreeError) in
        let parent = try parent(batch.item(number))
        let (file, temporary) = try openTemporary(batch, number, parent)
        table.close(number)
        try finish(batch, number, file, temporary, parent)
      }
    }
    finished.removeAll(keepingCapacity: true)
  }
}

/// Finds what is not zero.
enum DataRuns {
  private static let blockByteCount = 4096

  /// The next range, from `position` on, that has to be written: from a block of the file that is
  /// not all zeros up to one that is. nil when only zeros are left.
  static func next(
    _ bytes: UnsafeRawBufferPointer, from position: Int, fileOffset: Int64
  ) -> Range<Int>? {
    var start = position
    while start < bytes.count {
      let end = blockEnd(start, fileOffset, bytes.count)
      if !isZero(bytes, start..<end) { break }
      start = end
    }
    guard start < bytes.count else { return nil }
    var end = start
    while end < bytes.count {
      let next = blockEnd(end, fileOffset, bytes.count)
      if isZero(bytes, end..<next) { break }
      end = next
    }
    return start..<end
  }

  private static func blockEnd(_ start: Int, _ fileOffset: Int64, _ count: Int) -> Int {
    let skew = Int((fileOffset + Int64(start)) % Int64(blockByteCount))
    return min(count, start + blockByteCount - skew)
  }

  private static func isZero(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
    var index = range.lowerBound
    while index + 8 <= range.upperBound {
      if bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) != 0 { return false }
      index += 8
    }
    return bytes[index..<range.upperBound].allSatisfy { $0 == 0 }
  }
}
