package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
)

// model is one service description in AWS's own JSON form.
type model struct {
	Metadata   metadata              `json:"metadata"`
	Operations map[string]*operation `json:"operations"`
	Shapes     map[string]*shape     `json:"shapes"`

	sum [sha256.Size]byte
}

type metadata struct {
	APIVersion   string   `json:"apiVersion"`
	Protocol     string   `json:"protocol"`
	Protocols    []string `json:"protocols"`
	JSONVersion  string   `json:"jsonVersion"`
	TargetPrefix string   `json:"targetPrefix"`
	XMLNamespace string   `json:"xmlNamespace"`
	ServiceID    string   `json:"serviceId"`
	SigningName  string   `json:"signingName"`
	Prefix       string   `json:"endpointPrefix"`
}

type operation struct {
	Name string `json:"name"`
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input  *ref  `json:"input"`
	Output *ref  `json:"output"`
	Errors []ref `json:"errors"`
}

// ref is the use of a shape by a member, list, map or operation.
type ref struct {
	Shape         string `json:"shape"`
	Location      string `json:"location"`
	LocationName  string `json:"locationName"`
	QueryName     string `json:"queryName"`
	Flattened     bool   `json:"flattened"`
	JSONValue     bool   `json:"jsonvalue"`
	TimeFormat    string `json:"timestampFormat"`
	ResultWrapper string `json:"resultWrapper"`
	EventPayload  bool   `json:"eventpayload"` // the member is an event's whole payload
}

type shape struct {
	Type       string      `json:"type"`
	Members    members     `json:"members"`
	Required   []string    `json:"required"`
	Payload    string      `json:"payload"`
	Member     *ref        `json:"member"`
	Key        *ref        `json:"key"`
	Value      *ref        `json:"value"`
	Min        json.Number `json:"min"`
	Max        json.Number `json:"max"`
	Pattern    string      `json:"pattern"`
	Enum       []string    `json:"enum"`
	Sensitive  bool        `json:"sensitive"`
	Streaming  bool        `json:"streaming"`
	Events     bool        `json:"eventstream"` // a union: the events of a stream
	Flattened  bool        `json:"flattened"`
	TimeFormat string      `json:"timestampFormat"`
	Exception  bool        `json:"exception"`
	Fault      bool        `json:"fault"`
	Error      *struct {
		Code        string `json:"code"`
		Status      int    `json:"httpStatusCode"`
		SenderFault bool   `json:"senderFault"`
	} `json:"error"`
}

type member struct {
	Name string
	ref
}

// members keeps the order of the model, which is the order on the wire.
type members []member

// UnmarshalJSON reads an object in the order of its keys.
func (m *members) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var r ref
		if err := dec.Decode(&r); err != nil {
			return err
		}
		*m = append(*m, member{Name: name.(string), ref: r})
	}
	return nil
}

func (m *model) find(name string) (*shape, error) {
	s := m.Shapes[name]
	if s == nil {
		return nil, fmt.Errorf("the model names the shape %s but has none", name)
	}
	return s, nil
}

func loadModel(path string) (*model, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the model: %w", err)
	}
	m := &model{sum: sha256.Sum256(b)}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("parsing the model: %w", err)
	}
	return m, nil
}
