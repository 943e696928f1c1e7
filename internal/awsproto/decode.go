package awsproto

import (
	"net/url"
	"reflect"
	"strings"
)

// decode fills an operation's input from wherever its protocol puts it.
func (x *exchange) decode(v reflect.Value) error {
	s := x.entry.inShape
	switch x.protocol {
	case query, ec2Query:
		return formReader{x.protocol}.structure(x.form, s, v)
	case awsJSON:
		return readJSON(x.body, s, v)
	case rpcCBOR:
		return readCBOR(x.body, s, v)
	}
	if err := x.decodeHead(s, v); err != nil {
		return err
	}
	return x.decodePayload(s, v)
}

// decodeHead reads the members in path, query string and headers.
func (x *exchange) decodeHead(s *shape, v reflect.Value) error {
	var q url.Values
	if x.r.URL.RawQuery != "" {
		q, _ = url.ParseQuery(x.r.URL.RawQuery)
	}
	for _, m := range s.members {
		f := v.Field(m.field)
		switch m.at {
		case "uri":
			for _, p := range x.params {
				if p.name == m.in && !setScalar(m.shape, f, p.value, formatISO) {
					return mismatch("STRING_VALUE", m.shape)
				}
			}
		case "querystring":
			if err := decodeQuery(m, f, q); err != nil {
				return err
			}
		case "header":
			h := x.r.Header.Get(m.in)
			if h != "" && !setScalar(m.shape, f, h, firstOf(m.format, m.shape.format, formatHTTP)) {
				return mismatch("STRING_VALUE", m.shape)
			}
		}
	}
	return nil
}

// decodeQuery reads one member of the query string; lists repeat their name.
func decodeQuery(m *member, f reflect.Value, q url.Values) error {
	values, ok := q[m.in]
	if !ok || len(values) == 0 {
		return nil
	}
	if m.shape.kind != kindList {
		if !setScalar(m.shape, f, values[0], firstOf(m.format, m.shape.format, formatISO)) {
			return mismatch("STRING_VALUE", m.shape)
		}
		return nil
	}
	list := reflect.MakeSlice(f.Type(), len(values), len(values))
	for i, value := range values {
		if !setScalar(m.shape.elem, list.Index(i), value, formatISO) {
			return mismatch("STRING_VALUE", m.shape.elem)
		}
	}
	f.Set(list)
	return nil
}

// decodePayload reads the body: whole into a payload member, else as JSON.
func (x *exchange) decodePayload(s *shape, v reflect.Value) error {
	p := s.payload
	switch {
	case p == nil && !s.body:
		return nil
	case p == nil:
		return readJSON(x.body, s, v)
	case len(x.body) == 0:
		return nil
	}
	f := v.Field(p.field)
	switch p.shape.kind {
	case kindBlob:
		f.SetBytes(x.body)
		return nil
	case kindString:
		slot(f).SetString(string(x.body))
		return nil
	default:
		return readJSON(x.body, p.shape, slot(f))
	}
}

// validate checks the model's constraints, under the code each service uses.
func (x *exchange) validate(v reflect.Value) error {
	s := x.entry.inShape
	if x.protocol == ec2Query {
		return validateEC2(s, v)
	}
	found := validate(s, v)
	if len(found) == 0 {
		return nil
	}
	if x.table.queryCompatible() {
		return refusalQuery(found)
	}
	switch x.protocol {
	case query:
		return faultf("ValidationError", "%s", refusalIAM(found))
	case awsJSON:
		return faultf("InvalidParameterException", "%s", refusal(found))
	default:
		return faultf("ValidationException", "%s", refusal(found))
	}
}

// refusalQuery words violations as CloudWatch does: what is missing by its name
// in a form, all else as other services.
func refusalQuery(found []violation) error {
	for _, v := range found {
		if v.constraint == textNotNull {
			return faultf("MissingParameter", "The parameter %s is required.", formName(v.path))
		}
	}
	return faultf("ValidationError", "%s", refusal(found))
}

// formName is a validation text's path as a form spells it:
// metricData.1.member.metricName is MetricData.member.1.MetricName.
func formName(path string) string {
	parts := strings.Split(path, ".")
	for i, part := range parts {
		if part == "member" && i > 0 {
			parts[i-1], parts[i] = part, parts[i-1]
			continue
		}
		parts[i] = capital(part)
	}
	return strings.Join(parts, ".")
}

// namePattern is the pattern of IAM's names, whose breach IAM words of its own.
const namePattern = `Member must satisfy regular expression pattern: [\w+=,.@-]+`

func refusalIAM(found []violation) string {
	if len(found) == 1 && found[0].constraint == namePattern {
		return "The specified value for " + found[0].path + " is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
	}
	return refusal(found)
}

// validateEC2 checks what EC2's model constrains: required members and a few
// bounds. EC2 reports only the first it finds.
func validateEC2(s *shape, v reflect.Value) error {
	for _, m := range s.members {
		f := v.Field(m.field)
		if absent(f) {
			if m.required {
				return faultf("MissingParameter", "The request must contain the parameter %s", m.out)
			}
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		if err := boundsEC2(m, f); err != nil {
			return err
		}
		if m.shape.kind == kindStruct {
			if err := validateEC2(m.shape, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// boundsEC2 words a number out of its bounds as EC2 does (text chosen after
// EC2's answers to MaxResults).
func boundsEC2(m *member, v reflect.Value) error {
	l := m.shape.limits
	if m.shape.kind != kindInt && m.shape.kind != kindLong {
		return nil
	}
	n := float64(v.Int())
	switch {
	case l.hasMin && n < l.min:
		return faultf(codeInvalidValue, "Value ( %d ) for parameter %s is invalid. Expecting a value greater than or equal to %s.", v.Int(), m.path, l.minText)
	case l.hasMax && n > l.max:
		return faultf(codeInvalidValue, "Value ( %d ) for parameter %s is invalid. Expecting a value less than or equal to %s.", v.Int(), m.path, l.maxText)
	}
	return nil
}
