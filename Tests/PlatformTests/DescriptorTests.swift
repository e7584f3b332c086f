import Glibc
import Platform
import Testing

/// Who closes a descriptor, and when.
@Suite struct DescriptorTests {
  private func isOpen(_ raw: Int32) -> Bool { fcntl(raw, F_GETFD) >= 0 }

  /// A number far above those that other tests open and close meanwhile.
  private func openHigh(_ number: Int32) throws -> Int32 {
    let raw = open("/dev/null", O_RDONLY)
    defer { close(raw) }
    let high = fcntl(raw, F_DUPFD_CLOEXEC, number)
    try #require(high >= number)
    return high
  }

  @Test func descriptorClosesAtItsEnd() throws {
    let raw = try openHigh(700)
    do {
      let descriptor = Descriptor(owning: raw)
      #expect(isOpen(descriptor.raw))
    }
    #expect(!isOpen(raw))
  }

  @Test func releasedDescriptorStaysOpen() throws {
    let raw = try openHigh(740)
    let released = Descriptor(owning: raw).release()
    #expect(released == raw)
    #expect(isOpen(raw))
    close(raw)
  }

  @Test func sharedDescriptorClosesWithTheLastHolder() throws {
    let raw = try openHigh(780)
    var holders = [SharedDescriptor(owning: raw)]
    holders.append(holders[0])
    holders.removeLast()
    #expect(isOpen(raw))
    holders.removeAll()
    #expect(!isOpen(raw))
  }
}
