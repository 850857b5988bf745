package jobs

// reserve is how many workers there are beyond those that one scope can hold.
const reserve = 1

// queue has the jobs that wait for a worker. Scopes take turns; the jobs of one are taken
// in the order in which they came.
type queue struct {
	workers int               // that a scope may hold
	waiting map[int64][]int64 // ids of jobs by scope; none is empty
	turns   []int64           // scopes with waiting jobs, the next one first
	held    map[int64]int     // workers by scope; none is 0
	busy    int               // workers
}

func newQueue(workers int) queue {
	return queue{workers: workers, waiting: map[int64][]int64{}, held: map[int64]int{}}
}

func (q *queue) add(scope, id int64) {
	if len(q.waiting[scope]) == 0 {
		q.turns = append(q.turns, scope)
	}
	q.waiting[scope] = append(q.waiting[scope], id)
}

// take hands the next job to a worker, which gives back the scope when it has done it.
// The turn is that of the scope that holds the fewest workers, of several the one that
// had to wait for longer.
func (q *queue) take() (scope, id int64, ok bool) {
	next := -1
	for i, s := range q.turns {
		if q.busy >= q.workers && q.held[s] > 0 {
			continue // the others are for those that have none
		}
		if next < 0 || q.held[s] < q.held[q.turns[next]] {
			next = i
		}
	}
	if next < 0 {
		return 0, 0, false
	}
	scope = q.turns[next]
	q.turns = append(q.turns[:next], q.turns[next+1:]...)
	id = q.waiting[scope][0]
	if q.waiting[scope] = q.waiting[scope][1:]; len(q.waiting[scope]) == 0 {
		delete(q.waiting, scope)
	} else {
		q.turns = append(q.turns, scope)
	}
	q.held[scope]++
	q.busy++
	return scope, id, true
}

func (q *queue) giveBack(scope int64) {
	q.busy--
	if q.held[scope]--; q.held[scope] == 0 {
		delete(q.held, scope)
	}
}
