package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Document is a policy: permissions, or with principals a role's trust.
type Document struct {
	Version   string     `json:"Version"`
	ID        string     `json:"Id"`
	Statement statements `json:"Statement"`
}

// Statement is one rule of a policy.
type Statement struct {
	Sid          string                      `json:"Sid"`
	Effect       string                      `json:"Effect"`
	Principal    principals                  `json:"Principal"`
	NotPrincipal principals                  `json:"NotPrincipal"`
	Action       texts                       `json:"Action"`
	NotAction    texts                       `json:"NotAction"`
	Resource     texts                       `json:"Resource"`
	NotResource  texts                       `json:"NotResource"`
	Condition    map[string]map[string]texts `json:"Condition"`
}

// statements, texts and principals may stand alone or in a list.
type (
	statements []Statement
	texts      []string
	principals map[string]texts
)

// strict refuses members that the grammar does not know.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// UnmarshalJSON takes one statement or a list.
func (s *statements) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("[")) {
		return strict(b, (*[]Statement)(s))
	}
	var one Statement
	if err := strict(b, &one); err != nil {
		return err
	}
	*s = statements{one}
	return nil
}

// UnmarshalJSON takes one scalar or a list of them.
func (t *texts) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var raw any
	if err := d.Decode(&raw); err != nil {
		return err
	}
	list, ok := raw.([]any)
	if !ok {
		list = []any{raw}
	}
	*t = make(texts, 0, len(list))
	for _, v := range list {
		switch v := v.(type) {
		case string:
			*t = append(*t, v)
		case bool:
			*t = append(*t, strconv.FormatBool(v))
		case json.Number:
			*t = append(*t, v.String())
		default:
			return fmt.Errorf("%T stands where a text is expected", v)
		}
	}
	return nil
}

// UnmarshalJSON takes "*" or kinds of principals.
func (p *principals) UnmarshalJSON(b []byte) error {
	var all string
	if err := json.Unmarshal(b, &all); err == nil {
		if all != "*" {
			return errors.New("a principal without its kind")
		}
		*p = principals{"AWS": {all}}
		return nil
	}
	var kinds map[string]texts
	if err := json.Unmarshal(b, &kinds); err != nil {
		return err
	}
	*p = kinds
	return nil
}
