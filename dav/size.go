package dav

import "net/http"

// getSize answers GET on __size: what the cell takes, in bytes and resources.
func (q *request) getSize() error {
	c, err := q.cell()
	if err != nil {
		return err
	}
	return q.sendJSON(http.StatusOK, map[string]int64{"bytes": c.Taken(), "resources": c.Nodes})
}
