package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func policy(t *testing.T, allowed ...string) Policy {
	t.Helper()
	p, err := ParsePolicy(allowed)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCheck(t *testing.T) {
	for addr, what := range map[string]string{
		"8.8.8.8":                   "",
		"2600:1901::1":              "",
		"127.0.0.1":                 "loopback",
		"127.8.9.1":                 "loopback",
		"::1":                       "loopback",
		"::ffff:127.0.0.1":          "loopback",
		"64:ff9b::7f00:1":           "loopback",
		"2002:7f00:1::":             "loopback",
		"::127.0.0.1":               "reserved",
		"0.0.0.0":                   "unspecified",
		"::":                        "unspecified",
		"0.1.2.3":                   "this host",
		"169.254.169.254":           "link-local",
		"64:ff9b::a9fe:a9fe":        "link-local",
		"fe80::1":                   "link-local",
		"fe80::1%eth0":              "link-local",
		"224.0.0.1":                 "multicast",
		"ff02::1":                   "multicast",
		"255.255.255.255":           "reserved",
		"10.2.3.4":                  "private",
		"172.31.0.1":                "private",
		"172.32.0.1":                "",
		"192.168.1.1":               "private",
		"100.64.0.1":                "provider",
		"fd00::1":                   "private",
		"fd00:ec2::254":             "metadata",
		"100.100.100.200":           "metadata",
		"168.63.129.16":             "metadata",
		"64:ff9b:1:0:0:0:a9fe:a9fe": "private",
		"2001:0:1:2:3:4:80ff:fffe":  "reserved",
		"::ffff:0:a9fe:a9fe":        "reserved",
		"2001:4860:4860::8888":      "",
		"64:ff9b::808:808":          "",
		"2002:808:808::1":           "",
		"192.0.0.192":               "metadata",
		"198.19.0.1":                "reserved",
	} {
		t.Run(addr, func(t *testing.T) {
			err := Policy{}.Check(netip.MustParseAddr(addr))
			var refused *RefusedError
			switch {
			case what == "" && err != nil:
				t.Errorf("a public address: %v", err)
			case what != "" && (!errors.As(err, &refused) || !strings.Contains(refused.What, what) || !strings.Contains(err.Error(), Flag)):
				t.Errorf("%v; expected a refusal that says %q and %s", err, what, Flag)
			}
		})
	}
}

func TestAllowed(t *testing.T) {
	p := policy(t, "127.0.0.0/8", "10.1.2.3", "fd00::/8", "::ffff:192.168.0.0/112")
	for addr, allowed := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true, "64:ff9b::7f00:1": true, "::1": false, "10.1.2.3": true, "10.1.2.4": false,
		"fd12::1": true, "fe80::1": false, "169.254.169.254": false, "8.8.8.8": true, "192.168.1.1": true,
	} {
		if err := p.Check(netip.MustParseAddr(addr)); (err == nil) != allowed {
			t.Errorf("%s: %v, expected allowed=%v", addr, err, allowed)
		}
	}
}

func TestParsePolicy(t *testing.T) {
	for _, wrong := range []string{"", "localhost", "10.0.0.0/33", "10.0.0", "*"} {
		if _, err := ParsePolicy([]string{wrong}); err == nil || !strings.Contains(err.Error(), Flag) {
			t.Errorf("%q: %v, expected an error that names the flag", wrong, err)
		}
	}
}

// hubNetwork is a server that only the hub can reach, and what trusts it.
func hubNetwork(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *tls.Config) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	return server, &tls.Config{RootCAs: trusted, ServerName: "example.com"}
}

func fetch(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestTheDoorIsShut(t *testing.T) {
	asked := 0
	server, config := hubNetwork(t, func(http.ResponseWriter, *http.Request) { asked++ })
	t.Setenv("HTTPS_PROXY", server.URL)
	byName := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	for _, url := range []string{server.URL, byName, strings.Replace(server.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1), strings.Replace(server.URL, "127.0.0.1", "0", 1)} {
		_, err := fetch(New(Policy{}).Client(config, 100), url)
		var refused *RefusedError
		if err == nil || asked > 0 {
			t.Fatalf("%s was called: %v", url, err)
		}
		if !errors.As(err, &refused) && !strings.Contains(url, "//0:") {
			t.Errorf("%s: %v, expected a refusal", url, err)
		}
	}
}

func TestTheOperatorOpensTheDoor(t *testing.T) {
	server, config := hubNetwork(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ten bytes.") })
	door := New(policy(t, "127.0.0.0/8"))
	if got, err := fetch(door.Client(config, 10), server.URL); err != nil || got != "ten bytes." {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := fetch(door.Client(config, 9), server.URL); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than is allowed: %v", err)
	}
}

// TestRedirectsAreJudged: an issuer that may be called sends the hub to one that
// may not.
func TestRedirectsAreJudged(t *testing.T) {
	to := ""
	server, config := hubNetwork(t, func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, to, http.StatusFound) })
	client := New(policy(t, "127.0.0.1")).Client(config, 100)
	for name, c := range map[string]struct{ to, says string }{
		"to where it may not":  {"https://127.0.0.2/", "loopback"},
		"to the metadata":      {"https://169.254.169.254/latest", "link-local"},
		"out of TLS":           {"http://127.0.0.1/", "not https"},
		"to where it has been": {server.URL, "more than 3 times"},
	} {
		t.Run(name, func(t *testing.T) {
			to = c.to
			if _, err := fetch(client, server.URL); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; expected an error that says %q", err, c.says)
			}
		})
	}
}

func TestOnlyTCP(t *testing.T) {
	for _, network := range []string{"udp", "unix"} {
		if conn, err := New(policy(t, "0.0.0.0/0", "::/0")).DialContext(t.Context(), network, "127.0.0.1:1"); err == nil {
			conn.Close()
			t.Errorf("a connection over %s", network)
		}
	}
}
