import Glibc
import Platform
import TestSupport
import Testing

/// Child processes, mounts, devices and the spoiling proxy.
@Suite struct SupportTests {
  @Test func processesGiveStatusAndOutput() throws {
    let result = try runProcess(
      "sh", ["-c", "cat; echo $X >&2; exit 3"], environment: ["X": "y"],
      stdin: [UInt8](repeating: 7, count: 300_000))
    #expect(result.status == 3)
    #expect(result.output == [UInt8](repeating: 7, count: 300_000))
    #expect(result.errorText == "y\n")
    #expect(throws: PlatformError.self) { try runProcess("/nonexistent/program", []) }
  }

  @Test func processesThatDoNotEndAreKilled() {
    #expect(throws: TestFailure.self) { try runProcess("sleep", ["600"], timeoutSeconds: 0.1) }
  }

  @Test func childrenTalkByLinesAndDieBySignal() throws {
    let child = try ChildProcess("sh", ["-c", "echo one; read line; echo $line; exec sleep 600"])
    #expect(child.nextLine() == "one")
    child.writeInput(Array("two\n".utf8))
    #expect(child.nextLine() == "two")
    #expect(child.isRunning)
    child.kill(SIGKILL)
    #expect(child.wait() == 128 + SIGKILL)
    #expect(child.nextLine() == nil)
  }

  @Test func directoriesGoAwayWhateverTheyHold() throws {
    var path = ""
    do {
      let directory = try TemporaryDirectory()
      path = directory.path
      let locked = try directory.makeDirectory("locked")
      try ByteFiles.write(Array("\(locked)/file".utf8), [1])
      try runChecked("chattr", ["+i", "\(locked)/file"])
      try runChecked("chmod", ["0", locked])
    }
    #expect(access(path, F_OK) != 0)
  }

  @Test(arguments: [LoopMount.FileSystem.ext4, .xfs, .btrfs])
  func fileSystemsMountAndGo(kind: LoopMount.FileSystem) throws {
    var path = ""
    do {
      let mount = try LoopMount(kind, sizeBytes: 128 << 20)
      path = mount.path
      let found = try runChecked("stat", ["-f", "-c", "%T", path]).outputText
      #expect(found.hasPrefix(kind == .ext4 ? "ext2/ext3" : kind.rawValue))
      try MetadataZoo.make(at: mount.path, seed: 3)
    }
    #expect(access(path, F_OK) != 0)
    let mounts = try ByteFiles.read(Array("/proc/self/mounts".utf8))
    #expect(!String(decoding: mounts, as: UTF8.self).contains(path))
  }

  @Test func devicesStandOverTheirFileAndGo() throws {
    let directory = try TemporaryDirectory()
    var path = ""
    do {
      let device = try LoopDevice(backingFile: directory.path("image"), sizeBytes: 1 << 20)
      path = device.path
      let kind = try ByteFiles.kind(Array(path.utf8))
      #expect(kind == S_IFBLK)
      try runChecked("dd", ["if=/dev/urandom", "of=\(path)", "bs=1M", "count=1", "conv=fsync"])
      #expect(try runProcess("cmp", [path, device.backingFile]).status == 0)
    }
    let attached = try runChecked("losetup", ["--list", "--noheadings", "-O", "BACK-FILE"])
    #expect(!attached.outputText.contains(directory.path))
  }

  @Test func proxyPassesThenCuts() throws {
    let (server, port) = try startEcho()
    defer { server.kill(SIGKILL) }
    let proxy = try CuttingProxy(targetPort: port, fault: .none)
    #expect(try talk(to: proxy.port, "hello") == "hello")
    #expect(proxy.passedBytes == 10)
    proxy.setFault(.cut(afterBytes: 13))
    #expect(try talk(to: proxy.port, "hello") == "")
    #expect(proxy.passedBytes == 13)
  }

  @Test func proxyResetsAndStalls() throws {
    let (server, port) = try startEcho()
    defer { server.kill(SIGKILL) }
    let resetting = try CuttingProxy(targetPort: port, fault: .reset(afterBytes: 2))
    #expect(try talk(to: resetting.port, "hello") == "reset")
    let stalling = try CuttingProxy(targetPort: port, fault: .stall(afterBytes: 7))
    #expect(throws: TestFailure.self) {
      try talk(to: stalling.port, "hello", timeoutSeconds: 3)
    }
    #expect(stalling.passedBytes == 5)
  }

  /// A server that answers each connection with what it was sent.
  private func startEcho() throws -> (ChildProcess, UInt16) {
    let server = try ChildProcess(
      "python3",
      [
        "-uc",
        """
        import socket, threading
        s = socket.create_server(("127.0.0.1", 0))
        print(s.getsockname()[1])
        def serve(c):
            try:
                while data := c.recv(4096): c.sendall(data)
            except OSError: pass
            c.close()
        while True: threading.Thread(target=serve, args=(s.accept()[0],)).start()
        """,
      ])
    let line = try #require(server.nextLine())
    return (server, try #require(UInt16(line)))
  }

  private func talk(
    to port: UInt16, _ text: String, timeoutSeconds: Double = 60
  ) throws -> String {
    try runProcess(
      "python3",
      [
        "-uc",
        """
        import errno, socket, sys
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        try:
            s.sendall(sys.argv[2].encode())
            s.shutdown(socket.SHUT_WR)
            while data := s.recv(4096): print(data.decode(), end="")
        except OSError as error:
            # A reset before the shutdown leaves a socket that is not connected.
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN: raise
            print("reset", end="")
        """, "\(port)", text,
      ], timeoutSeconds: timeoutSeconds
    ).outputText
  }
}
