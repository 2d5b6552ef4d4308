package systems

// Secrets resolves the $SECRET(name) of a component's texts and remembers what
// it resolved, so that none of it is shown. It is for one call.
type Secrets struct{ k keyring }

// NewSecrets returns one that finds secrets by find.
func NewSecrets(find SecretFunc) *Secrets { return &Secrets{keyring{find: find}} }

// Expand returns the text with its secrets; one that is not set is an error.
func (s *Secrets) Expand(text string) (string, error) { return s.k.expand(text) }

// Hide remembers another text that nobody may see.
func (s *Secrets) Hide(text string) { s.k.hide(text) }

// Redact takes all that was resolved out of a text.
func (s *Secrets) Redact(text string) string { return s.k.redact(text) }

// Address writes an address as anybody may see it: without a password, and
// without the values of parameters that sound secret.
func (s *Secrets) Address(raw string) string { return s.k.redactURL(raw) }

// OnlySecret tells whether a text is one $SECRET(name) and nothing else.
func OnlySecret(text string) bool {
	_, from, to, ok := secretRef(text)
	return ok && from == 0 && to == len(text)
}
