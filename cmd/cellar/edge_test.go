package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate makes a key and a certificate for localhost with that serial number.
func writeCertificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: cert}, "key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS: HTTPS with HTTP/2, cookies only for HTTPS, and a certificate that changes
// without a restart.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	p := serve(t, filepath.Join(dir, "data"), "--cell", "c", "--tls-cert", filepath.Join(dir, "cert"), "--tls-key", filepath.Join(dir, "key"))
	if !strings.HasPrefix(p.url, "https://") {
		t.Fatalf("it serves %s", p.url)
	}
	get := func() *http.Response {
		t.Helper()
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequest("GET", p.url+"/c/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(adminUser, adminPassword)
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	res := get()
	if res.StatusCode != 200 || res.ProtoMajor != 2 || res.TLS.PeerCertificates[0].SerialNumber.Int64() != 1 {
		t.Errorf("%d by %s, certificate %v", res.StatusCode, res.Proto, res.TLS.PeerCertificates[0].SerialNumber)
	}
	if _, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("it speaks TLS 1.1")
	}
	writeCertificate(t, dir, 2)
	deadline := time.Now().Add(30 * time.Second)
	for get().TLS.PeerCertificates[0].SerialNumber.Int64() != 2 {
		if time.Now().After(deadline) {
			t.Fatalf("the certificate stays the old one:\n%s", p.output())
		}
	}
	// A bad one is not taken.
	if err := os.WriteFile(filepath.Join(dir, "cert"), []byte("bad"), 0o600); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(p.output(), "cannot be read") {
		if get().TLS.PeerCertificates[0].SerialNumber.Int64() != 2 || time.Now().After(deadline) {
			t.Fatalf("after a bad certificate:\n%s", p.output())
		}
	}
	// SIGHUP does not wait for somebody to connect.
	p.hangup("the certificate cannot be read")
	writeCertificate(t, dir, 3)
	p.hangup("the certificate was read again")
	if got := get().TLS.PeerCertificates[0].SerialNumber.Int64(); got != 3 {
		t.Errorf("after SIGHUP certificate %d is served", got)
	}
	p.stop()
}

// TestHangup: SIGHUP reads the admin's password again, with which the old one and its tokens are
// worth nothing, and never ends the program.
func TestHangup(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		t.Helper()
		if err := writeFile(file, password+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	write(adminPassword)
	p := serveWith(t, []string{"CELLAR_ADMIN_PASSWORD="}, t.TempDir(), "--cell", "c", "--admin-password-file", file, "--log-format", "json")
	token := strings.TrimSpace(string(p.must(200, "POST", "/__token", strings.NewReader("grant_type=password&username=admin&password="+url.QueryEscape(adminPassword)), "Content-Type", "application/x-www-form-urlencoded")))
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(token), &answer); err != nil {
		t.Fatal(err)
	}
	bearer := func() int {
		t.Helper()
		res, _, err := p.do("GET", "/c/__", nil, "Authorization", "Bearer "+answer.Token)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	p.hangup(`"changed":false`)
	if got := bearer(); got != 200 {
		t.Errorf("the same password: the token gives %d", got)
	}
	write("")
	p.hangup("the admin's password cannot be read, the last one stays")
	p.must(200, "GET", "/c/__", nil)
	write("another one")
	p.hangup(`"changed":true`)
	if status, _ := p.as(adminUser, "another one", "GET", "/c/__", ""); status != 200 {
		t.Errorf("the new password: %d", status)
	}
	if got := bearer(); got != 401 {
		t.Errorf("another password: the token gives %d", got)
	}
	if status, _ := p.as(adminUser, adminPassword, "GET", "/c/__", ""); status != 401 {
		t.Errorf("the old password: %d", status)
	}
	p.stop()
}

// TestSlowClients: who sends nothing of a body, or takes nothing of an answer, is let go;
// who is merely slow is not.
func TestSlowClients(t *testing.T) {
	p := serve(t, t.TempDir(), "--cell", "c", "--stall-time", "1s")
	p.must(201, "MKCOL", "/c/b", nil)
	const size = 64 << 20
	p.must(201, "PUT", "/c/b/large", bytes.NewReader(make([]byte, size)))
	dial := func() *net.TCPConn {
		t.Helper()
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.(*net.TCPConn)
	}
	const login = "Authorization: Basic YWRtaW46Y29ycmVjdCBob3JzZQ==\r\n" // admin:correct horse

	body := dial()
	fmt.Fprintf(body, "PUT /c/b/new HTTP/1.1\r\nHost: x\r\n%sContent-Length: 200000\r\n\r\nabc", login)
	if err := body.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(body)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") || !strings.Contains(string(answer), "PR408-MC-0001") {
		t.Errorf("a body that stalls: %v, %.200s", err, answer)
	}

	// The answer fills what lies between the two, and then nothing moves.
	stalled := dial()
	if err := stalled.SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(stalled, "GET /c/b/large HTTP/1.1\r\nHost: x\r\n%s\r\n", login)
	if _, err := io.ReadFull(stalled, make([]byte, 15)); err != nil {
		t.Fatal(err)
	}
	if !established(t, p, stalled) {
		t.Fatal("it is not served at all")
	}
	deadline := time.Now().Add(60 * time.Second)
	for established(t, p, stalled) {
		if time.Now().After(deadline) {
			t.Fatal("a client that takes nothing is still served after a minute")
		}
	}
	p.stop()
}

// established reports whether the server has the connection of that client open.
func established(t *testing.T, p *program, client net.Conn) bool {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("SKIPPED: no /proc to look for connections in: ", err)
	}
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprintf(":%04X ", client.LocalAddr().(*net.TCPAddr).Port)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 9 && strings.HasSuffix(fields[2]+" ", port) {
			for _, fd := range fds {
				if link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", p.cmd.Process.Pid, fd.Name())); link == "socket:["+fields[9]+"]" {
					return true
				}
			}
		}
	}
	return false
}

// TestTrustedProxy: what a proxy says of the client is believed only of one that is
// trusted.
func TestTrustedProxy(t *testing.T) {
	t.Parallel()
	far := http.Header{"X-Forwarded-For": {"198.51.100.7"}}
	location := func(p *program, h http.Header) (int, string) {
		t.Helper()
		req, err := http.NewRequest("GET", p.url+"/c/__", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = h.Clone()
		req.SetBasicAuth(adminUser, adminPassword)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	https := far.Clone()
	https.Set("X-Forwarded-Proto", "https")
	https.Set("X-Forwarded-Host", "data.example")

	plain := serve(t, t.TempDir(), "--cell", "c")
	if status, text := location(plain, https); status != 200 || strings.Contains(text, "data.example") {
		t.Errorf("from anybody: %d %s", status, text)
	}
	plain.stop()

	p := serve(t, t.TempDir(), "--cell", "c", "--trusted-proxy", "127.0.0.0/8")
	if status, text := location(p, https); status != 200 || !strings.Contains(text, `"https://data.example/c/__/"`) {
		t.Errorf("from the proxy, by HTTPS: %d %s", status, text)
	}
	if status, _ := location(p, far); status != 401 {
		t.Errorf("a password from afar by plain HTTP through the proxy: %d", status)
	}
	forged := http.Header{"X-Forwarded-For": {"127.0.0.1, 198.51.100.7"}}
	if status, _ := location(p, forged); status != 401 {
		t.Errorf("an address that the client wrote itself counts: %d", status)
	}
	wrong, err := http.NewRequest("GET", p.url+"/c/__", nil)
	if err != nil {
		t.Fatal(err)
	}
	wrong.Header = https
	wrong.SetBasicAuth("somebody", "wrong-password")
	res, err := http.DefaultTransport.RoundTrip(wrong)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	p.stop() // after that, all that it said is there
	if log := p.output(); res.StatusCode != 401 || !strings.Contains(log, "address=198.51.100.7") || strings.Contains(log, "wrong-password") {
		t.Errorf("%d, the log says %s", res.StatusCode, log)
	}
}
