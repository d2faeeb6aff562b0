// The interop application on Go's net/http/fcgi, which multiplexes. It answers the paths that every
// interop application answers (see ../../README.md), and reports what it saw of connections.
package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	typeGetValues = 9
	waitLimit     = 30 * time.Second
	journalWait   = 5 * time.Millisecond
)

var (
	connections int64 // that carried requests
	asked       int64 // that began with FCGI_GET_VALUES
	inFlight    int64
	inFlightMax int64
	begun       int64 // uploads that may be abandoned
	aborted     int64
	stale       int64
)

// countedConn looks at the first record's type, which is the second byte.
type countedConn struct {
	net.Conn
	seen bool
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.seen && n >= 2 {
		c.seen = true
		if p[1] == typeGetValues {
			atomic.AddInt64(&asked, 1)
		} else {
			atomic.AddInt64(&connections, 1)
		}
	}
	return n, err
}

type countedListener struct{ net.Listener }

func (l countedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: conn}, nil
}

func counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := atomic.AddInt64(&inFlight, 1)
		defer atomic.AddInt64(&inFlight, -1)
		for {
			most := atomic.LoadInt64(&inFlightMax)
			if now <= most || atomic.CompareAndSwapInt64(&inFlightMax, most, now) {
				break
			}
		}
		next.ServeHTTP(w, r)
	})
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, "hello\n")
}

func echo(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	length, err := io.Copy(sum, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "method=%s\nlength=%d\nsha256=%x\ncontent_length=%d\nquery=%s\nx_test=%s\n",
		r.Method, length, sum.Sum(nil), r.ContentLength, r.URL.RawQuery, r.Header.Get("X-Test"))
}

// journal appends the body as a line to a file before it answers: what was done can be counted.
func journal(w http.ResponseWriter, r *http.Request) {
	id, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	file, err := os.OpenFile(r.URL.Query().Get("file"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	if _, err := fmt.Fprintf(file, "%s\n", id); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	time.Sleep(journalWait)
	fmt.Fprintf(w, "kept %s\n", id)
}

// body sends n bytes, the one at i being i modulo 251.
func body(w http.ResponseWriter, r *http.Request) {
	left, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	block := make([]byte, 251*128)
	for i := range block {
		block[i] = byte(i % 251)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(left))
	for left > 0 {
		piece := block
		if left < len(piece) {
			piece = piece[:left]
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
		left -= len(piece)
	}
}

func waitForGate(r *http.Request) {
	path := r.URL.Query().Get("gate")
	for limit := time.Now().Add(waitLimit); time.Now().Before(limit); {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func wait(w http.ResponseWriter, r *http.Request) {
	waitForGate(r)
	io.WriteString(w, "waited\n")
}

func stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, "first\n")
	w.(http.Flusher).Flush()
	waitForGate(r)
	io.WriteString(w, "second\n")
}

// headerLength adds up all fields whose names begin with X-Long.
func headerLength(w http.ResponseWriter, r *http.Request) {
	length := 0
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Long") {
			length += len(values[0])
		}
	}
	fmt.Fprintf(w, "%d\n", length)
}

// abandoned writes after its request was aborted, as a careless handler does.
func abandoned(w http.ResponseWriter, r *http.Request) {
	atomic.AddInt64(&begun, 1)
	if _, err := io.Copy(io.Discard, r.Body); errors.Is(err, fcgi.ErrRequestAborted) {
		atomic.AddInt64(&aborted, 1)
	}
	waitForGate(r)
	io.WriteString(w, "stale\n")
	w.(http.Flusher).Flush()
	atomic.AddInt64(&stale, 1)
}

func report(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "connections=%d\nasked=%d\nin_flight=%d\nin_flight_max=%d\n"+
		"begun=%d\naborted=%d\nstale=%d\n",
		atomic.LoadInt64(&connections), atomic.LoadInt64(&asked),
		atomic.LoadInt64(&inFlight), atomic.LoadInt64(&inFlightMax),
		atomic.LoadInt64(&begun), atomic.LoadInt64(&aborted), atomic.LoadInt64(&stale))
}

func main() {
	listener, err := net.Listen(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	paths := http.NewServeMux()
	paths.Handle("/hello", counted(http.HandlerFunc(hello)))
	paths.Handle("/echo", counted(http.HandlerFunc(echo)))
	paths.Handle("/journal", counted(http.HandlerFunc(journal)))
	paths.Handle("/bytes", counted(http.HandlerFunc(body)))
	paths.Handle("/wait", counted(http.HandlerFunc(wait)))
	paths.Handle("/stream", counted(http.HandlerFunc(stream)))
	paths.Handle("/header-length", counted(http.HandlerFunc(headerLength)))
	paths.Handle("/abandoned", http.HandlerFunc(abandoned))
	paths.HandleFunc("/report", report)
	log.Fatal(fcgi.Serve(countedListener{listener}, paths))
}
