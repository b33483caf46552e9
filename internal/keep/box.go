package keep

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// boxFile is the key that a folder has one of.
const boxFile = "secrets.key"

// boxVersion begins every sealed value: AES-256-GCM, the nonce first, in base64.
const boxVersion = "v1."

// Box keeps values so that they are read only with its key.
type Box struct {
	path string
	aead cipher.AEAD
}

// MakeBox is a folder's box, whose key is made when there is none.
func MakeBox(dir string) (*Box, error) {
	path, key, err := Once(dir, boxFile, func() ([]byte, error) {
		key := make([]byte, 32)
		_, err := rand.Read(key)
		return key, err
	})
	if err != nil {
		return nil, err
	}
	return newBox(path, key)
}

// OpenBox is a folder's box; that there is none is fault.NotFound.
func OpenBox(dir string) (*Box, error) {
	path := filepath.Join(dir, boxFile)
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{Kind: fault.NotFound, Msg: path + ", the key of secret values, does not exist", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return newBox(path, key)
}

func newBox(path string, key []byte) (*Box, error) {
	if len(key) != 32 {
		return nil, fault.Errorf(fault.Internal, "%s is not a key of 32 bytes", path)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &Box{path, aead}, err
}

// Seal closes a value up. It opens only as what it is about, so that one
// cannot be put in another's place.
func (b *Box) Seal(value, about string) string {
	return boxVersion + base64.StdEncoding.EncodeToString(b.aead.Seal(nil, nil, []byte(value), []byte(about)))
}

// Open is the value that Seal closed up.
func (b *Box) Open(sealed, about string) (string, error) {
	text, ok := strings.CutPrefix(sealed, boxVersion)
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil {
		return "", fault.Errorf(fault.Internal, "a sealed value is not of the form that this program writes")
	}
	value, err := b.aead.Open(nil, nil, raw, []byte(about))
	if err != nil {
		return "", fault.Errorf(fault.Precondition, "the key %s does not open it: it was sealed with another, or for something else", b.path)
	}
	return string(value), nil
}
