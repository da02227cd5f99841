(ns billing.core
  (:gen-class)
  (:require [billing.bill :refer [bill]]
            [schema.core :as s]
            [ziggurat.init :as ziggurat]
            [ziggurat.middleware.json :refer [parse-json]]))

(def Order {:id s/Int :customer s/Str :amount s/Num})

(defn handle [order]
  (if (or (s/check Order order) (not (pos? (:amount order))))
    :dead-letter
    (do (bill order)
        :success)))

(def handler-fn (-> handle (parse-json :orders)))

(defn -main [& _]
  (ziggurat/main (fn []) (fn []) {:orders {:handler-fn handler-fn}}))
