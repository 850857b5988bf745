package dav_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cellar/dav/davtest"
)

// as is a client with that Authorization header, "" for none; it returns how long the
// request took.
func as(b *testing.B, s *davtest.Server, authorization string) func(method, path string, header ...string) time.Duration {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Cleanup(c.CloseIdleConnections)
	return func(method, path string, header ...string) time.Duration {
		r, err := http.NewRequest(method, s.URL+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		start := time.Now()
		res, err := c.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode >= 300 {
			b.Fatalf("%s %s: %s, %v", method, path, res.Status, err)
		}
		res.Body.Close()
		return time.Since(start)
	}
}

func basicOf(name, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return r.Header.Get("Authorization")
}

// median of what was measured.
func median(all []time.Duration) time.Duration { return percentile(all, 50) }

func percentile(all []time.Duration, p int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)]
}

// BenchmarkWhoAsks gets 4 KiB as somebody else each time, in turns, and compares with
// nobody. Medians; the loop keeps one connection for each.
func BenchmarkWhoAsks(b *testing.B) {
	s := davtest.New(b, davtest.Config{NoCheck: true})
	s.Account("cell1", "me", "r")
	s.Mkcol("/cell1/b")
	s.Put("/cell1/b/f", strings.Repeat("x", 4096))
	s.SetACL("/cell1/b", davtest.ACE{Role: "r", Privileges: "D:read"}, davtest.ACE{Privileges: "D:read"})
	token := s.Token("cell1", "me", nil).Value("access_token").String().Raw()
	callers := []struct {
		name string
		get  func(string, string, ...string) time.Duration
		took []time.Duration
	}{
		{name: "nobody", get: as(b, s, "")},
		{name: "admin", get: as(b, s, basicOf(davtest.User, davtest.Password))},
		{name: "basic", get: as(b, s, basicOf("me", davtest.AccountPassword))},
		{name: "bearer", get: as(b, s, "Bearer "+token)},
	}
	const rounds = 5000
	for b.Loop() {
		for range rounds {
			for _, i := range rand.Perm(len(callers)) {
				callers[i].took = append(callers[i].took, callers[i].get("GET", "/cell1/b/f"))
			}
		}
	}
	nobody := median(callers[0].took)
	b.ReportMetric(float64(nobody.Microseconds()), "µs/nobody")
	for _, c := range callers[1:] {
		b.ReportMetric(float64(median(c.took))/float64(nobody), c.name+"/nobody")
	}
}

// BenchmarkManyACEs lists 1,000 files 20 levels deep with 1,000 aces on the way, and with
// one.
func BenchmarkManyACEs(b *testing.B) {
	const levels, aces, files = 20, 1000, 1000
	s := davtest.New(b, davtest.Config{NoCheck: true})
	s.Account("cell1", "me", "mine")
	paths := map[string]string{}
	for _, box := range []string{"few", "many"} {
		fill(b, s.FS, "cell1", box, files, func(i int) string { return fmt.Sprint("content ", i) })
		at := "/cell1/" + box
		for i := range levels - 2 {
			at += fmt.Sprint("/l", i)
			s.Mkcol(at)
		}
		s.Transfer("MOVE", "/cell1/"+box+"/c000", at+"/deep", "").Status(http.StatusCreated)
		paths[box] = at + "/deep"
	}
	for i := range aces / levels {
		s.Role("cell1", fmt.Sprint("r", i))
	}
	s.SetACL("/cell1/few", davtest.ACE{Role: "mine", Privileges: "D:read"})
	at := "/cell1/many"
	for i := range levels {
		var list []davtest.ACE
		for n := range aces/levels - 1 {
			list = append(list, davtest.ACE{Role: fmt.Sprint("r", n), Privileges: "D:read D:write-properties"})
		}
		s.SetACL(at, append(list, davtest.ACE{Role: "mine", Privileges: "D:read"})...)
		if i < levels-2 {
			at += fmt.Sprint("/l", i)
		} else {
			at = paths["many"]
		}
	}
	list := as(b, s, basicOf("me", davtest.AccountPassword))
	took := map[string][]time.Duration{}
	cold := map[string][]time.Duration{} // after a change of the cell
	for b.Loop() {
		for i := range 40 {
			if i%2 == 0 {
				s.Put("/cell1/__/x", "x")
			}
			for box, path := range paths {
				d := list("PROPFIND", path, "Depth", "1")
				if i%2 == 0 {
					cold[box] = append(cold[box], d)
				} else {
					took[box] = append(took[box], d)
				}
			}
		}
	}
	b.ReportMetric(float64(median(took["few"]).Microseconds()), "µs/few")
	b.ReportMetric(float64(median(took["many"]))/float64(median(took["few"])), "many/few")
	b.ReportMetric(float64(median(cold["many"]))/float64(median(cold["few"])), "cold-many/few")
}

// BenchmarkGuessing gets a file while somebody sends 1,000 wrong passwords a second, and
// without, in turns.
func BenchmarkGuessing(b *testing.B) {
	const each, perSecond = 3 * time.Second, 1000
	s := davtest.New(b, davtest.Config{NoCheck: true})
	s.Account("cell1", "me", "r")
	s.Account("cell1", "victim", "r")
	s.Mkcol("/cell1/b")
	s.Put("/cell1/b/f", strings.Repeat("x", 4096))
	s.SetACL("/cell1/b", davtest.ACE{Role: "r", Privileges: "D:read"})
	get := as(b, s, basicOf("me", davtest.AccountPassword))
	guesser := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer guesser.CloseIdleConnections()
	sent := 0
	guess := func(i int) {
		r, err := http.NewRequest("GET", s.URL+"/cell1/b/f", nil)
		if err != nil {
			return
		}
		r.SetBasicAuth([]string{"victim", fmt.Sprint("name", i)}[i%2], fmt.Sprint("password", i))
		res, err := guesser.Do(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusServiceUnavailable {
			b.Errorf("a guess: %s", res.Status)
		}
	}
	var calm, attacked []time.Duration
	for b.Loop() {
		for range 3 {
			for _, attack := range []bool{false, true} {
				stop := make(chan struct{})
				var wg sync.WaitGroup
				if attack {
					wg.Go(func() {
						tick := time.NewTicker(time.Second / perSecond)
						defer tick.Stop()
						for i := 0; ; i++ {
							select {
							case <-stop:
								return
							case <-tick.C:
								sent++
								wg.Go(func() { guess(i) })
							}
						}
					})
				}
				pace := time.NewTicker(time.Millisecond)
				for end := time.Now().Add(each); time.Now().Before(end); <-pace.C {
					d := get("GET", "/cell1/b/f")
					if attack {
						attacked = append(attacked, d)
					} else {
						calm = append(calm, d)
					}
				}
				pace.Stop()
				close(stop)
				wg.Wait()
			}
		}
	}
	b.ReportMetric(float64(percentile(calm, 99).Microseconds()), "µs-p99-calm")
	b.ReportMetric(float64(percentile(attacked, 99))/float64(percentile(calm, 99)), "p99-attacked/calm")
	b.ReportMetric(float64(sent)/(3*each.Seconds())/float64(b.N), "guesses/s")
}

// BenchmarkReadLog gets 4 KiB of a server that logs reads and of one that does not, in
// turns: throughput of 8 clients.
func BenchmarkReadLog(b *testing.B) {
	var servers []*davtest.Server
	for _, logs := range []bool{false, true} {
		s := davtest.New(b, davtest.Config{NoCheck: true, LogReads: logs})
		s.Put("/cell1/__/f", strings.Repeat("x", 4096))
		servers = append(servers, s)
	}
	const clients, requests = 8, 2000
	var took [2][]time.Duration
	var gets [2]func(string, string, ...string) time.Duration
	for i, s := range servers {
		gets[i] = as(b, s, basicOf(davtest.User, davtest.Password))
	}
	for b.Loop() {
		for range 6 {
			for i, get := range gets {
				start := time.Now()
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						for range requests {
							get("GET", "/cell1/__/f")
						}
					})
				}
				wg.Wait()
				took[i] = append(took[i], time.Since(start))
			}
		}
	}
	b.ReportMetric(clients*requests/median(took[0]).Seconds(), "gets/s")
	b.ReportMetric(float64(median(took[1]))/float64(median(took[0])), "logged/not")
}
