       ID DIVISION.
       PROGRAM-ID. CANDLES.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           IF N > 2 DISPLAY "HIGH"
           ELSE DISPLAY "LOW" END-IF.
           GOBACK.
