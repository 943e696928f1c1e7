package sigv4

import "fmt"

// Kind says why a signature was not accepted.
type Kind int

// The kinds of refusal.
const (
	Missing    Kind = iota // neither a signed header nor a signed query
	Incomplete             // a part of the signature is missing or malformed
	UnknownKey             // the access key or its session token is not known
	Mismatch               // signature, scope, signed headers or body hash do not fit
	Expired                // outside the time window
)

// codes are AWS's codes as the JSON protocols spell them; the wire layer turns
// them into what IAM, STS and EC2 say.
var codes = map[Kind]string{
	Missing:    "MissingAuthenticationTokenException",
	Incomplete: "IncompleteSignatureException",
	UnknownKey: "UnrecognizedClientException",
	Mismatch:   "InvalidSignatureException",
	Expired:    "InvalidSignatureException",
}

// AWS's texts.
const (
	textMissing  = "Missing Authentication Token"
	textToken    = "The security token included in the request is invalid."
	textMismatch = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)

// Error is a signature that was not accepted.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return codes[e.Kind] + ": " + e.Message }

// AWSError gives code and text for the wire layer.
func (e *Error) AWSError() (code, message, reason string) { return codes[e.Kind], e.Message, "" }

func refuse(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}
