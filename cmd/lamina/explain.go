package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/console"
	"github.com/lamina-dev/lamina/internal/fleet/catalogue"
	"github.com/lamina-dev/lamina/internal/network"
)

type explainCmd struct {
	targetFlags
	Name string `arg:"" help:"FUNCTION, FUNCTION:QUALIFIER or the name of a capacity provider."`
	JSON bool   `help:"Print JSON."`
}

// Run prints why a version or a provider is as it is.
func (c explainCmd) Run(ctx context.Context) error {
	f, err := c.folder()
	if err != nil {
		return err
	}
	var r console.Report
	query := url.Values{"name": {c.Name}, "region": {c.region()}}
	if err := ask(ctx, f, http.MethodGet, "/explain?"+query.Encode(), nil, &r); err != nil {
		return err
	}
	if c.JSON {
		b, err := json.MarshalIndent(r, "", "  ")
		fmt.Println(string(b))
		return err
	}
	printReport(r, "")
	return nil
}

func printReport(r console.Report, indent string) {
	fmt.Printf("%s%s  %s\n", indent, r.Name, r.State)
	if r.MaxVCPUs > 0 {
		fmt.Printf("%s  %d of at most %d vCPUs in %s\n", indent, r.VCPUs, r.MaxVCPUs, counted(len(r.Instances), "instance"))
	}
	for _, i := range r.Instances {
		fmt.Printf("%s  %s  %-12s  %s  %-13s  %s\n", indent, i.ID, i.Type, i.Zone, i.State, counted(i.Environments, "environment"))
	}
	for _, f := range r.Findings {
		fmt.Printf("%s  %s: %s\n", indent, f.Code, f.Text)
		if f.Remedy != "" {
			fmt.Printf("%s    %s\n", indent, f.Remedy)
		}
	}
	for _, v := range r.Versions {
		printReport(v, indent+"  ")
	}
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

type outageCmd struct {
	dataFlags
	Names []string `arg:"" optional:"" help:"Zones (us-east-1a) or instance types (c6a.large); none: list what is unavailable."`
	Over  bool     `help:"Make them available again; without names, all that are not."`
}

// Run switches zones and types off and on.
func (c outageCmd) Run(ctx context.Context) error {
	f, err := c.folder()
	if err != nil {
		return err
	}
	var o console.Outage
	names := c.Names
	if len(names) == 0 {
		if err = ask(ctx, f, http.MethodGet, "/outage", nil, &o); c.Over {
			names = o.Off
		}
	}
	for _, name := range names {
		if !c.Over && !canFail(name) {
			return fmt.Errorf("%s is neither a zone, such as us-east-1a, nor an instance type that Lamina knows, such as c6a.large", name)
		}
		if err = ask(ctx, f, http.MethodPost, "/outage", console.Outage{Name: name, Over: c.Over}, &o); err != nil {
			break
		}
		if o.Lost > 0 {
			fmt.Printf("%s is lost, and %s with it\n", name, counted(o.Lost, "instance"))
		}
	}
	if err == nil && len(o.Off) == 0 {
		fmt.Println("Every zone and instance type is available.")
	} else if err == nil {
		fmt.Println("Unavailable:", strings.Join(o.Off, ", "))
	}
	return err
}

// canFail tells whether there is a zone or an instance type of this name.
func canFail(name string) bool {
	if _, ok := catalogue.Find(name); ok {
		return true
	}
	_, ok := network.FindZone(name[:max(0, len(name)-1)], name)
	return ok
}

// ask talks to the console of the server of a data folder.
func ask(ctx context.Context, f folder, method, path string, in, out any) error {
	socket, err := f.socket(consoleSocket)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://console"+path, &body)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no Lamina server answers for the data folder %s (%w); start one with lamina up, or name the folder of a running one with --data DIR", f, errors.Unwrap(err))
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", strings.TrimSpace(string(text)))
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}
