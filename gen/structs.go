package main

import (
	"cmp"
	"fmt"
	"strings"
)

// structs is the source of the Go types.
func (p *pack) structs() string {
	var b strings.Builder
	for _, name := range p.reach {
		if s := p.model.Shapes[name]; s.Type == "structure" {
			fmt.Fprintf(&b, "// %s is the model's structure %s.\ntype %[1]s struct {\n", exported(name), name)
			for _, m := range s.Members {
				if p.model.Shapes[m.Shape].Events {
					continue // sent apart: awsproto.Stream
				}
				fmt.Fprintf(&b, "%s %s\n", exported(m.Name), p.field(m.Shape))
			}
			b.WriteString("}\n\n")
		}
	}
	head := "package " + p.name + "\n\n"
	if strings.Contains(b.String(), "time.Time") {
		head += "import \"time\"\n\n"
	}
	return head + b.String()
}

// field is the Go type of a member: absent must differ from zero.
func (p *pack) field(name string) string {
	switch t := p.element(name); p.model.Shapes[name].Type {
	case "list", "map", "blob":
		return t
	default:
		return "*" + t
	}
}

// element is the Go type of a shape inside a list or map.
func (p *pack) element(name string) string {
	switch s := p.model.Shapes[name]; s.Type {
	case "structure":
		return exported(name)
	case "list":
		return "[]" + p.element(s.Member.Shape)
	case "map":
		return "map[string]" + p.element(s.Value.Shape)
	case "string":
		return "string"
	case "boolean":
		return "bool"
	case "integer":
		return "int32"
	case "long":
		return "int64"
	case "double", "float":
		return "float64"
	case "timestamp":
		return "time.Time"
	case "blob":
		return "[]byte"
	default:
		panic("gen: unknown shape type " + s.Type)
	}
}

// mostConstants is the size above which an enum gets no constants: nobody
// writes EC2's thousand instance types by their Go names.
const mostConstants = 100

// enums is the source of the constants of enum values.
func (p *pack) enums() string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\n", p.name)
	for _, name := range p.reach {
		s := p.model.Shapes[name]
		if len(s.Enum) == 0 || len(s.Enum) > mostConstants {
			continue
		}
		fmt.Fprintf(&b, "// Values of the model's enum %s.\nconst (\n", name)
		for _, v := range s.Enum {
			fmt.Fprintf(&b, "%s = %q\n", p.constant(name, v), v)
		}
		b.WriteString(")\n\n")
	}
	return b.String()
}

// constant finds a free name for an enum's value.
func (p *pack) constant(shape, value string) string {
	name := exported(shape) + camel(value)
	for p.names[name] {
		name += "Value"
	}
	p.names[name] = true
	return name
}

// operations is the source of the typed operation descriptors.
func (p *pack) operations() string {
	var b strings.Builder
	fmt.Fprintf(&b, "// Package %s holds the shapes and operations of AWS's %s API.\npackage %[1]s\n\n", p.name, p.model.Metadata.ServiceID)
	b.WriteString("import \"github.com/lamina-dev/lamina/internal/awsproto\"\n\n")
	fmt.Fprintf(&b, "// Service is the %s service; its table is read at first use.\n", p.model.Metadata.ServiceID)
	fmt.Fprintf(&b, "var Service = awsproto.NewService(%q, table)\n\n// The operations.\nvar (\n", cmp.Or(p.scope, p.name))
	for _, op := range p.ops {
		o := p.model.Operations[op]
		if events := p.events(o); events != "" {
			fmt.Fprintf(&b, "%s = awsproto.StreamOperation[%s, %s, %s]{Service: Service, Name: %q}\n", op, goType(o.Input), goType(o.Output), exported(events), op)
			continue
		}
		fmt.Fprintf(&b, "%s = awsproto.Operation[%s, %s]{Service: Service, Name: %q}\n", op, goType(o.Input), goType(o.Output), op)
	}
	b.WriteString(")\n")
	return b.String()
}

// bindTest is the source of a test that binds every operation to its types.
func (p *pack) bindTest() string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\n", p.name)
	b.WriteString("import (\n\"testing\"\n\n\"github.com/lamina-dev/lamina/internal/awsproto\"\n)\n\n")
	b.WriteString("func TestOperationsBind(*testing.T) {\nm := awsproto.NewMux(awsproto.Config{})\n")
	for _, op := range p.ops {
		handle := "Handle"
		if p.events(p.model.Operations[op]) != "" {
			handle = "HandleStream"
		}
		fmt.Fprintf(&b, "awsproto.%s(m, %s, nil)\n", handle, op)
	}
	b.WriteString("m.Prepare()\n}\n")
	return b.String()
}

func goType(r *ref) string {
	if r == nil {
		return "awsproto.Empty"
	}
	return exported(r.Shape)
}
