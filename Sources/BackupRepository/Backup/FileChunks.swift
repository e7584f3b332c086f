import Chunking
import Platform

/// Memory for one chunk.
final class ChunkBuffer: @unchecked Sendable {
  let bytes = UnsafeMutableRawBufferPointer.allocate(
    byteCount: ChunkLimits.byteCountMax, alignment: 4096)
  var count = 0

  deinit { bytes.deallocate() }

  var filled: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[..<count]) }
}

/// A chunk of a large file that any thread may store.
struct FileChunk: Sendable {
  let file: LargeFile
  /// Which chunk of the file it is.
  let number: Int
  let buffer: ChunkBuffer
}

/// A file of more than one chunk while its chunks are being stored.
final class LargeFile: @unchecked Sendable {
  let directory: SourceDirectory
  let index: Int
  private let lock = Lock()
  private var blobs: [BlobID] = []
  private var openCount = 1
  private var byteCount: Int64 = 0
  private var isBroken = false

  init(_ directory: SourceDirectory, _ index: Int) {
    self.directory = directory
    self.index = index
  }

  /// Makes a place for the next chunk; gives its number.
  func addChunk(_ byteCount: Int) -> Int {
    lock.withLock {
      blobs.append(BlobID(words: (0, 0, 0, 0)))
      openCount += 1
      self.byteCount += Int64(byteCount)
      return blobs.count - 1
    }
  }

  /// A chunk is stored; true when it was the last of a file that has been read.
  func finishChunk(_ number: Int, _ blob: BlobID) -> Bool {
    lock.withLock {
      blobs[number] = blob
      openCount -= 1
      return openCount == 0
    }
  }

  /// The file has been read, or cannot be read to its end; true when all its chunks are stored.
  func finishReading(isBroken: Bool) -> Bool {
    lock.withLock {
      self.isBroken = isBroken
      openCount -= 1
      return openCount == 0
    }
  }

  /// Gives the result to the entry, by whoever has finished the file.
  func fillEntry() {
    let entry = directory.entries.baseAddress.unsafelyUnwrapped + index
    lock.withLock {
      if isBroken {
        entry.pointee.isOmitted = true
        return
      }
      entry.pointee.size = byteCount
      entry.pointee.content = blobs.count == 1 ? .one : blobs.isEmpty ? .empty : .many
      if blobs.count == 1 { entry.pointee.blob = blobs[0] } else { entry.pointee.blobs = blobs }
    }
  }
}
