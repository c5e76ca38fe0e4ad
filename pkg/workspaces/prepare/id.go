package prepare

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// idLength is how many base36 digits of the hash make an ID: 82 bits.
const idLength = 16

// NewID returns an ID for a workspace, made of 32 bytes from random.
func NewID(random io.Reader) (logicalcluster.Name, error) {
	token := make([]byte, 32)
	if _, err := io.ReadFull(random, token); err != nil {
		return "", fmt.Errorf("failed to read random bytes for a workspace ID: %w", err)
	}
	return logicalcluster.Name(base36Hash(token)[:idLength]), nil
}

// shardHash is how the wire writes the shard called name in annotations.
func shardHash(name string) string { return base36Hash([]byte(name))[:8] }

// base36Hash returns the SHA-224 of data in base36, 43 or 44 digits but for
// hashes that nobody will ever see.
func base36Hash(data []byte) string {
	sum := sha256.Sum224(data)
	return new(big.Int).SetBytes(sum[:]).Text(36)
}
