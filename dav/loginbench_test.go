package dav_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cellar/cellfs/restore/personiumtest"
	"cellar/dav/davtest"
)

// BenchmarkLoginsOfOthers logs in while 60 clients at another address log in wrong, log in right to
// imported accounts with hashes as costly as are taken, or change their passwords: all of them
// have sent their request before the login begins. It compares with twice a login while nobody
// else is there and one of the hashes that the others need, both taken right before: more than
// 1 is too long.
func BenchmarkLoginsOfOthers(b *testing.B) {
	const clients, waves = 60, 3
	const password = "password-of-alice"
	const ours, dear = 14, 16 // log2 of the cost
	s := davtest.New(b, davtest.Config{NoCheck: true, TrustedProxies: []string{"127.0.0.0/8"}})
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients + 1}}
	defer c.CloseIdleConnections()
	send := func(from string, sent func(), method, path, body string, header ...string) int {
		r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		if err != nil {
			b.Error(err)
			return 0
		}
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent() }}))
		r.Header.Set("X-Forwarded-For", from)
		r.Header.Set("X-Forwarded-Proto", "https")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := c.Do(r)
		if err != nil {
			b.Error(err)
			return 0
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	login := func(from string, sent func(), name, password string) int {
		form := url.Values{"grant_type": {"password"}, "username": {name}, "password": {password}}
		return send(from, sent, "POST", "/cell1/__token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	n := 0
	address := func() string { n++; return fmt.Sprintf("192.0.%d.%d", 2+n/250, 1+n%250) }
	measure := func() time.Duration { // each from an address of its own, so that nothing is remembered
		start := time.Now()
		if status := login(address(), func() {}, "me", password); status != http.StatusOK {
			b.Errorf("login: %d", status)
		}
		return time.Since(start)
	}
	attacks := []struct {
		name string
		logN int // of the hashes that they need
		try  func(from string, sent func(), client int)
	}{
		{"wrong", ours, func(from string, sent func(), client int) {
			login(from, sent, fmt.Sprint("other", client), "wrong-password")
		}},
		{"right", dear, func(from string, sent func(), client int) {
			if status := login(from, sent, fmt.Sprint("other", client), password); status != http.StatusOK && status != http.StatusServiceUnavailable {
				b.Errorf("a right one: %d", status)
			}
		}},
		{"changing", ours, func(from string, sent func(), client int) {
			status := send(from, sent, "PUT", "/cell1/__mypassword", "", "Authorization", basicOf(fmt.Sprint("other", client), password), "X-Personium-Credential", "another-password")
			if status != http.StatusNoContent && status != http.StatusServiceUnavailable {
				b.Errorf("a change: %d", status)
			}
		}},
	}
	var idle []time.Duration
	ratios := map[string][]float64{}
	for b.Loop() {
		for range waves {
			for _, attack := range attacks {
				from := personiumtest.New("other")
				from.AddAccount("me", personiumtest.ScryptPassword)
				hash := hashOf(b, password, attack.logN, 8, 1)
				for i := range clients {
					from.AddAccount(fmt.Sprint("other", i), hash)
				}
				importZip(s, "cell1", from.Bytes()).Value("status").IsEqual("ready")
				start := time.Now()
				hashOf(b, password, attack.logN, 8, 1)
				bound := time.Since(start)
				alone := measure()
				idle = append(idle, alone)
				bound += 2 * alone

				crowd := address()
				var sent, done sync.WaitGroup
				sent.Add(clients)
				for i := range clients {
					done.Go(func() { attack.try(crowd, sync.OnceFunc(sent.Done), i) })
				}
				sent.Wait()
				ratios[attack.name] = append(ratios[attack.name], float64(measure())/float64(bound))
				done.Wait()
			}
		}
	}
	b.ReportMetric(float64(median(idle).Microseconds())/1000, "ms/idle")
	for name, all := range ratios {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], name+"/bound")
		b.ReportMetric(all[len(all)-1], "worst-"+name+"/bound")
	}
}
