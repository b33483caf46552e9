package egress

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/keep"
)

// Credentials are application default credentials for programs whose libraries
// insist on some: a service account that only this machine knows. Its key also
// signs URLs.
type Credentials struct {
	key     string // PEM
	private *rsa.PrivateKey
	id      string
}

// OpenCredentials reads the account's key in a folder, or makes it there.
func OpenCredentials(dir string) (*Credentials, error) {
	path, b, err := keep.Once(dir, "service-account.pem", func() ([]byte, error) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	var private *rsa.PrivateKey
	if block != nil {
		key, _ := x509.ParsePKCS8PrivateKey(block.Bytes)
		private, _ = key.(*rsa.PrivateKey)
	}
	if private == nil {
		return nil, fault.Errorf(fault.Invalid, "%s is damaged", path).WithHint("remove it; another is made for the next job")
	}
	sum := sha256.Sum256(block.Bytes)
	return &Credentials{key: string(b), private: private, id: hex.EncodeToString(sum[:20])}, nil
}

const emailPrefix, emailSuffix = "trainyard@", ".iam.gserviceaccount.com"

// Public is what the account's signatures are checked with.
func (c *Credentials) Public() *rsa.PublicKey { return &c.private.PublicKey }

// Known reports whether an email address is the account's, in any project.
func (c *Credentials) Known(email string) bool {
	project, ok := strings.CutPrefix(email, emailPrefix)
	if ok {
		project, ok = strings.CutSuffix(project, emailSuffix)
	}
	return ok && project != ""
}

// JSON is a credentials file. Its libraries ask for tokens at tokenURI.
func (c *Credentials) JSON(project, tokenURI string) []byte {
	b, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": project, "private_key_id": c.id, "private_key": c.key,
		"client_email": emailPrefix + project + emailSuffix, "client_id": "0",
		"auth_uri": tokenURI, "token_uri": tokenURI, "universe_domain": "googleapis.com",
	}, "", "  ")
	if err != nil {
		panic(err) // strings
	}
	return append(b, '\n')
}

// Signed reports whether a token names the key as the one that signed it, as
// those do that new libraries make for themselves.
func (c *Credentials) Signed(token string) bool {
	var h struct {
		Kid string `json:"kid"`
	}
	head, _, ok := strings.Cut(token, ".")
	return ok && unpack(head, &h) && h.Kid == c.id
}

// Good reports whether the key signed a token that is good now.
func (c *Credentials) Good(token string, now time.Time) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || !c.Signed(token) {
		return false
	}
	var h struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		Issuer   string `json:"iss"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}
	signature, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[2], "="))
	if err != nil || !unpack(parts[0], &h) || h.Alg != "RS256" || !unpack(parts[1], &claims) {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(c.Public(), crypto.SHA256, sum[:], signature) != nil {
		return false
	}
	const skew = 5 * time.Minute
	return c.Known(claims.Issuer) && now.Before(time.Unix(claims.Expires, 0).Add(skew)) && now.After(time.Unix(claims.IssuedAt, 0).Add(-skew))
}

// unpack reads a part of a token.
func unpack(part string, v any) bool {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	return err == nil && json.Unmarshal(b, v) == nil
}

// Tokens gives a token to whoever shows an assertion that the key signed.
func (c *Credentials) Tokens(token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodPost || !c.Good(r.PostFormValue("assertion"), time.Now()) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"the assertion is not one that this server's service account signed, or it has expired"}`+"\n")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
	})
}
