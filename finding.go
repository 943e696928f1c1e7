package lamina

// Finding is one answer to "why is it so": what is the case, in a word that
// tests and scripts can rely on and in a sentence, and what would change it.
type Finding struct {
	Code   string `json:"code"`             // e.g. vcpu-cap
	Text   string `json:"text"`             // what is the case
	Remedy string `json:"remedy,omitempty"` // what to do next; empty when nothing has to be done
}
