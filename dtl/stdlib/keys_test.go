package stdlib_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// throwawayKeys are what the placeholders {{PGP_PUBLIC_KEY}} and so on stand
// for in the cases, made once.
var throwawayKeys = sync.OnceValues(func() (map[string]string, error) {
	keys := map[string]string{}
	e, err := openpgp.NewEntity("test", "", "test@example.org", nil)
	if err != nil {
		return nil, err
	}
	public, private := &strings.Builder{}, &strings.Builder{}
	w, _ := armor.Encode(public, openpgp.PublicKeyType, nil)
	if err := e.Serialize(w); err != nil {
		return nil, err
	}
	w.Close()
	if err := e.EncryptPrivateKeys([]byte("valid-password"), nil); err != nil {
		return nil, err
	}
	w, _ = armor.Encode(private, openpgp.PrivateKeyType, nil)
	if err := e.SerializePrivateWithoutSigning(w, nil); err != nil {
		return nil, err
	}
	w.Close()
	keys["PGP_PUBLIC_KEY"], keys["PGP_PRIVATE_KEY"] = public.String(), private.String()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		return nil, err
	}
	keys["RSA_PUBLIC_KEY"] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	keys["RSA_PRIVATE_KEY"] = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
	return keys, nil
})

// withKeys puts keys for the placeholders in a text of JSON.
func withKeys(t *testing.T, text string) string {
	t.Helper()
	if !strings.Contains(text, "{{") {
		return text
	}
	keys, err := throwawayKeys()
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range keys {
		quoted, _ := json.Marshal(key)
		text = strings.ReplaceAll(text, "{{"+name+"}}", strings.Trim(string(quoted), `"`))
	}
	return text
}
