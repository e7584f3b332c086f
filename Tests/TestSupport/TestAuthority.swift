/// A certificate authority of its own, and a certificate of it for a server on 127.0.0.1.
package struct TestAuthority: Sendable {
  package let certificatePath: String
  package let serverCertificatePath: String
  package let serverKeyPath: String

  /// Makes the files in `directory`, which lives as long as they are needed.
  package init(in directory: TemporaryDirectory, name: String = "authority") throws {
    certificatePath = directory.path("\(name).pem")
    serverCertificatePath = directory.path("\(name)-server.pem")
    serverKeyPath = directory.path("\(name)-server.key")
    try runChecked(
      "sh",
      [
        "-c",
        #"""
        set -e
        cd "$(dirname "$0")"
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" \
          -addext "keyUsage=keyCertSign" -keyout "$1.key" -out "$1.pem"
        openssl req -newkey rsa:2048 -nodes -subj "/CN=127.0.0.1" \
          -keyout "$1-server.key" -out "$1-server.csr"
        printf "subjectAltName=IP:127.0.0.1\n" > "$1.ext"
        openssl x509 -req -in "$1-server.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial \
          -days 2 -extfile "$1.ext" -out "$1-server.pem"
        """#, certificatePath, name,
      ])
  }

  /// The authority's certificate, as text.
  package func certificate() throws -> String {
    String(decoding: try ByteFiles.read(Array(certificatePath.utf8)), as: UTF8.self)
  }
}
