package main

import (
	"slices"
	"strconv"
	"strings"
)

// table is the source of the text table that awsproto reads: one line per
// operation, error, shape and member, fields apart by tabs.
func (p *pack) table() string {
	var b strings.Builder
	md := p.model.Metadata
	line(&b, "service", md.Protocol, "also="+p.also(), "version="+md.APIVersion, "json="+md.JSONVersion, "target="+md.TargetPrefix, "xmlns="+md.XMLNamespace)
	for _, op := range p.ops {
		p.operationLine(&b, op)
	}
	p.unservedLines(&b)
	p.errorLines(&b)
	for _, name := range p.reach {
		p.shapeLines(&b, name)
	}
	raw := strings.ReplaceAll(b.String(), "`", "` + \"`\" + `")
	return "package " + p.name + "\n\n// table is what awsproto needs to know of the model.\nconst table = `" + raw + "`\n"
}

// also lists the further protocols of a service that speaks several.
func (p *pack) also() string {
	md := p.model.Metadata
	return strings.Join(slices.DeleteFunc(slices.Clone(md.Protocols), func(name string) bool { return name == md.Protocol }), ",")
}

// line writes fields apart by tabs and leaves out the empty ones: "name=".
func line(b *strings.Builder, fields ...string) {
	fields = slices.DeleteFunc(fields, func(f string) bool { return f == "" || strings.HasSuffix(f, "=") && !strings.HasPrefix(f, "pattern=") })
	b.WriteString(strings.Join(fields, "\t"))
	b.WriteByte('\n')
}

func (p *pack) operationLine(b *strings.Builder, name string) {
	o := p.model.Operations[name]
	in, out, wrapper := "-", "-", ""
	if o.Input != nil {
		in = o.Input.Shape
	}
	if o.Output != nil {
		out, wrapper = o.Output.Shape, o.Output.ResultWrapper
	}
	var codes []string
	for _, e := range o.Errors {
		codes = append(codes, e.Shape)
	}
	status := ""
	if o.HTTP.ResponseCode != 0 {
		status = strconv.Itoa(o.HTTP.ResponseCode)
	}
	line(b, "op", name, o.HTTP.Method, o.HTTP.RequestURI, in, out,
		"status="+status, "wrapper="+wrapper, "events="+p.events(o), "errors="+strings.Join(codes, ","))
}

// unservedLines list what the service has and this server does not, so that a
// refusal can name it. Other protocols' requests say the name themselves.
func (p *pack) unservedLines(b *strings.Builder) {
	if p.model.Metadata.Protocol != "rest-json" {
		return
	}
	for _, name := range p.unserved(p.model) {
		o := p.model.Operations[name]
		line(b, "unserved", name, o.HTTP.Method, o.HTTP.RequestURI)
	}
}

// events names the union of the events that an operation answers with; "" when
// its answer is no event stream.
func (p *pack) events(o *operation) string {
	if o.Output == nil {
		return ""
	}
	for _, m := range p.model.Shapes[o.Output.Shape].Members {
		if p.model.Shapes[m.Shape].Events {
			return m.Shape
		}
	}
	return ""
}

// errorLines lists every error of the service, reached or not: a handler may
// give any of them.
func (p *pack) errorLines(b *strings.Builder) {
	var names []string
	for name, s := range p.model.Shapes {
		if s.Exception {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		s := p.model.Shapes[name]
		code, status, fault := "", "", mark(s.Fault, "fault")
		if s.Error != nil {
			code, status = s.Error.Code, strconv.Itoa(s.Error.Status)
		}
		var message, typed, reason string
		for _, m := range s.Members {
			switch m.Name {
			case "message", "Message":
				message = m.Name
			case "Type":
				typed = "typed"
			case "Reason":
				reason = "reason"
			}
		}
		line(b, "error", name, "code="+code, "status="+status, fault, "message="+message, typed, reason)
	}
}

func (p *pack) shapeLines(b *strings.Builder, name string) {
	s := p.model.Shapes[name]
	switch s.Type {
	case "structure":
		line(b, "structure", name, "payload="+p.payload(s), mark(s.Sensitive, "sensitive"))
		for _, m := range s.Members {
			if p.model.Shapes[m.Shape].Events {
				continue
			}
			fields := append([]string{"." + m.Name, p.short(m.Shape)}, refFields(&m.ref)...)
			line(b, append(fields, mark(slices.Contains(s.Required, m.Name), "required"))...)
		}
	case "list":
		fields := append([]string{"list", name, p.short(s.Member.Shape)}, refFields(s.Member)...)
		line(b, append(fields, mark(s.Flattened, "flattened"), mark(s.Sensitive, "sensitive"), "min="+s.Min.String(), "max="+s.Max.String())...)
	case "map":
		line(b, "map", name, p.short(s.Key.Shape), p.short(s.Value.Shape), mark(s.Flattened, "flattened"), mark(s.Sensitive, "sensitive"),
			"keywire="+s.Key.LocationName, "valuewire="+s.Value.LocationName, "min="+s.Min.String(), "max="+s.Max.String())
	default:
		if p.short(name) == name {
			line(b, append([]string{s.Type, name}, p.scalarFields(name, s)...)...)
		}
	}
}

// payload is the member that is the whole body; a stream of events is none of
// the structure's.
func (p *pack) payload(s *shape) string {
	for _, m := range s.Members {
		if m.Name == s.Payload && p.model.Shapes[m.Shape].Events {
			return ""
		}
	}
	return s.Payload
}

// short is a shape's name, or only its type where nothing else is to be known.
func (p *pack) short(name string) string {
	s := p.model.Shapes[name]
	switch s.Type {
	case "structure", "list", "map":
		return name
	}
	if strings.Join(p.scalarFields(name, s), "") == "" {
		return s.Type
	}
	return name
}

// scalarFields is everything about a scalar; the pattern comes last, since it
// may hold anything.
func (p *pack) scalarFields(name string, s *shape) []string {
	fields := []string{}
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, key+"="+value)
		}
	}
	add("format", s.TimeFormat)
	if s.Sensitive {
		fields = append(fields, "sensitive")
	}
	add("min", s.Min.String())
	add("max", s.Max.String())
	if p.unchecked != "*" && p.unchecked != name {
		add("enum", strings.Join(s.Enum, "|"))
	}
	add("pattern", s.Pattern)
	return fields
}

func refFields(r *ref) []string {
	return []string{"at=" + r.Location, "wire=" + r.LocationName, "query=" + r.QueryName, "format=" + r.TimeFormat,
		mark(r.Flattened, "flattened"), mark(r.JSONValue, "jsonvalue"), mark(r.EventPayload, "eventpayload")}
}

func mark(set bool, name string) string {
	if set {
		return name
	}
	return ""
}
