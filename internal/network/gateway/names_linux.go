package gateway

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/wire"
)

const (
	askLimit  = 5 * time.Second // for one of the host's name servers, as resolvers wait (chosen)
	questions = 256             // on their way at a time (chosen); more are dropped
	nameTTL   = 60              // seconds, as AWS gives for its services
)

// answerUDP is the VPC's name server.
func (g *Gateway) answerUDP(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	free := make(chan struct{}, questions)
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := g.names.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			continue
		}
		select {
		case free <- struct{}{}:
		default:
			continue
		}
		question := append([]byte(nil), buf[:n]...)
		work.Go(func() {
			defer func() { <-free }()
			if answer := g.answer(ctx, "udp", question); answer != nil {
				_, _ = g.names.WriteTo(answer, from) // datagrams may be lost
			}
		})
	}
}

func (g *Gateway) answerTCP(ctx context.Context) error {
	return wire.Serve(ctx, g.over, func(ctx context.Context, c net.Conn) {
		env := addrPort(c.RemoteAddr()).Addr()
		f := g.flows.open(env)
		if f == nil {
			reset(c.(*net.TCPConn))
			return
		}
		defer g.flows.done(env, f)
		if !f.add(c) {
			return
		}
		for {
			if err := c.SetDeadline(time.Now().Add(udpIdle)); err != nil {
				return
			}
			question, err := readFramed(c)
			if err != nil {
				return
			}
			answer := g.answer(ctx, "tcp", question)
			if answer == nil || writeFramed(c, answer) != nil {
				return
			}
		}
	})
}

// answer is nil where none is to be had.
func (g *Gateway) answer(ctx context.Context, protocol string, question []byte) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(question)
	if err != nil || head.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	if addrs, ok := g.resolve(name); ok {
		return build(head, q, addrs)
	}
	if q.Type == dnsmessage.TypeAAAA && !leads6() {
		return build(head, q, nil)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return forward(ctx, protocol, question)
}

// resolve knows AWS's names: those of the VPC's endpoints before the public ones.
func (g *Gateway) resolve(name string) ([]netip.Addr, bool) {
	if addrs, ok := network.Lookup(g.state.Load().Names, name); ok {
		return addrs, true
	}
	return network.ServiceAddress(name)
}

func build(asked dnsmessage.Header, q dnsmessage.Question, addrs []netip.Addr) []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: asked.ID, Response: true, RecursionDesired: asked.RecursionDesired, RecursionAvailable: true})
	if b.StartQuestions() != nil || b.Question(q) != nil || b.StartAnswers() != nil {
		return nil
	}
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: nameTTL}
	for _, a := range addrs {
		var err error
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			err = b.AResource(h, dnsmessage.AResource{A: a.As4()})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			err = b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
		if err != nil {
			return nil
		}
	}
	out, err := b.Finish()
	if err != nil {
		return nil
	}
	return out
}

// leads6 says whether the host has any way to the IPv6 internet. Where it has
// none, names outside have no such addresses: functions would try them first, and
// a connection that comes about here and ends there makes them try no other.
func leads6() bool {
	c, err := net.Dial("udp6", "[2000::1]:53") // sends nothing
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// forward asks the host's name servers in their order.
func forward(ctx context.Context, protocol string, question []byte) []byte {
	for _, server := range hostServers("/etc/resolv.conf") {
		if answer, err := ask(ctx, protocol, net.JoinHostPort(server, "53"), question); err == nil {
			return answer
		}
	}
	return nil
}

func ask(ctx context.Context, protocol, server string, question []byte) ([]byte, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, protocol, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if until, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(until); err != nil {
			return nil, err
		}
	}
	if protocol == "tcp" {
		if err := writeFramed(c, question); err != nil {
			return nil, err
		}
		return readFramed(c)
	}
	if _, err := c.Write(question); err != nil {
		return nil, err
	}
	buf := make([]byte, maxDatagram)
	n, err := c.Read(buf)
	return buf[:n], err
}

// hostServers reads the host's resolver configuration, as it is now.
func hostServers(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) > 1 && fields[0] == "nameserver" {
			out = append(out, fields[1])
		}
	}
	return out
}

// readFramed and writeFramed are DNS over TCP: two bytes of length come first.
func readFramed(r io.Reader) ([]byte, error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	out := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(r, out)
	return out, err
}

func writeFramed(w io.Writer, message []byte) error {
	if len(message) > 0xffff {
		return fmt.Errorf("a name server's message has %d bytes", len(message))
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}
