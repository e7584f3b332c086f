import Glibc

/// Memory in pages of its own, outside the allocator: touched pages count, the rest is only
/// reserved, and everything goes back to the system at the end of its life. For large buffers that
/// grow, which would leave holes in the allocator's arenas.
package final class PageMemory {
  package let bytes: UnsafeMutableRawBufferPointer

  /// Zeros, `byteCount` rounded up to whole pages. Ends the process when the system has no more
  /// address space, as any allocation does.
  package init(byteCount: Int) {
    let size = max(4096, (byteCount + 4095) & ~4095)
    let address = mmap(
      nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    precondition(address != MAP_FAILED, "no address space for a buffer")
    bytes = UnsafeMutableRawBufferPointer(start: address, count: size)
  }

  deinit { _ = munmap(bytes.baseAddress, bytes.count) }
}
